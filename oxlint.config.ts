import { defineConfig } from 'oxlint';

/**
 * The walls of the house (docs/ARCHITECTURE.md, invariants): imports run
 * lib ← protocol ← {server, agent} ← cli, and some packages and globals live in one room only.
 * Every room lists what it may not import; a room that is not listed here inherits `everywhere`.
 */
const confined = [
  { name: 'aedes', homes: ['server/bus'] },
  { name: 'classic-level', homes: ['server/store'] },
  { name: 'mqtt-packet', homes: ['server/bus'] },
  { name: 'mqtt', homes: ['agent/link'] },
  { name: 'mqtt/lib/client', homes: ['agent/link'] },
  { name: 'esbuild', homes: ['cli'] },
  { name: 'node:child_process', homes: ['lib'] },
  { name: 'node:timers', homes: ['lib'] },
  { name: 'node:timers/promises', homes: ['lib'] },
  { name: 'systeminformation', homes: ['agent/host'] },
  { name: 'ws', homes: ['server/api'] },
  { name: '@marcbachmann/cel-js', homes: ['protocol/cel'] },
  { name: 'node:vm', homes: ['lib'] },
];

const inServer = [
  'admission',
  'aggregation',
  'allocation',
  'api',
  'bus',
  'cache',
  'config',
  'controllers',
  'extensions',
  'identity',
  'nodes',
  'outgoing',
  'registry',
  'scheduler',
  'store',
];

/** Which rooms may be imported from a room; `lib` and `protocol` stand open to all above them. */
const mayImport: Record<string, readonly string[]> = {
  lib: ['lib'],
  protocol: ['lib', 'protocol'],
  agent: ['lib', 'protocol', 'agent'],
  'server/config': ['lib', 'protocol', 'server/config'],
  'server/store': ['lib', 'server/store'],
  'server/identity': ['lib', 'protocol', 'server/identity', 'server/registry'],
  'server/registry': ['lib', 'protocol', 'server/registry', 'server/store'],
  'server/allocation': ['lib', 'protocol', 'server/allocation', 'server/registry'],
  'server/cache': ['lib', 'protocol', 'server/cache', 'server/registry'],
  'server/controllers': ['lib', 'protocol', 'server/controllers', 'server/registry', 'server/cache'],
  'server/scheduler': ['lib', 'protocol', 'server/scheduler', 'server/registry', 'server/cache'],
  'server/extensions': [
    'lib',
    'protocol',
    'server/extensions',
    'server/registry',
    'server/cache',
    'server/outgoing',
  ],
  'server/outgoing': ['lib', 'protocol', 'server/outgoing', 'server/registry', 'server/cache'],
  'server/aggregation': [
    'lib',
    'protocol',
    'server/aggregation',
    'server/registry',
    'server/cache',
    'server/outgoing',
  ],
  'server/bus': ['lib', 'protocol', 'server/bus', 'server/identity'],
  'server/nodes': ['lib', 'protocol', 'server/nodes', 'server/registry', 'server/cache', 'server/bus'],
  'server/admission': [
    'lib',
    'protocol',
    'server/admission',
    'server/registry',
    'server/cache',
    'server/identity',
    'server/outgoing',
  ],
  'server/api': [
    'lib',
    'protocol',
    'server/admission',
    'server/api',
    'server/registry',
    'server/cache',
    'server/identity',
    'server/nodes',
    'server/aggregation',
    'server/outgoing',
  ],
  cli: ['lib', 'protocol', 'server', 'agent', 'cli'],
};

const rooms = [
  'lib',
  'protocol',
  'agent',
  'cli',
  'firmware-images',
  ...inServer.map((name) => `server/${name}`),
];

/** Rooms inside the server name each other without the word `server` in the path. */
function siblings(other: string): string[] {
  const name = other.replace(/^server\//, '');
  return other.startsWith('server/') ? ['../', '../../', '../../../'].map((up) => `${up}${name}/**`) : [];
}

function restrictions(room: string) {
  const allowed = mayImport[room] ?? [];
  const denied = rooms.filter(
    (other) => !allowed.some((open) => other === open || other.startsWith(`${open}/`)),
  );
  return {
    paths: confined
      .filter(({ homes }) => !homes.some((home) => home === room || home.startsWith(`${room}/`)))
      .map(({ name, homes }) => ({ name, message: `${name} is used only in ${homes.join(', ')}.` })),
    patterns: denied.map((other) => ({
      group: [`**/${other}/**`, ...(room.startsWith('server/') ? siblings(other) : [])],
      message: `${room} may not import ${other} (docs/ARCHITECTURE.md).`,
    })),
  };
}

const ownedByLib = ['setTimeout', 'setInterval', 'setImmediate', 'fetch'].map((name) => ({
  name,
  message: `${name} goes through lib (Clock), so that simulation can own it.`,
}));

export default defineConfig({
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'node'],
  categories: { correctness: 'error', suspicious: 'error' },
  env: { node: true, es2025: true },
  ignorePatterns: ['**/generated/**', 'node_modules/**'],
  rules: {
    'typescript/no-explicit-any': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'import/no-cycle': 'error',
    'max-lines-per-function': ['error', { max: 70, skipComments: true, skipBlankLines: true }],
    'max-lines': ['error', { max: 500 }],
    'no-underscore-dangle': 'off',
    'no-shadow': 'off',
    'typescript/no-unsafe-type-assertion': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'import/no-unassigned-import': 'off',
    'unicorn/no-array-sort': 'off',
    'unicorn/no-array-reverse': 'off',
    'unicorn/require-post-message-target-origin': 'off',
    'no-await-in-loop': 'off',
    // TypeScript's own check knows exhaustive switches; this rule does not.
    'typescript/consistent-return': 'off',
  },
  overrides: [
    ...rooms.map((room) => ({
      files: [`${room}/**/*.ts`],
      rules: { 'no-restricted-imports': ['error', restrictions(room)] as ['error', object] },
    })),
    {
      files: ['protocol/**/*.ts', 'server/**/*.ts', 'agent/**/*.ts'],
      rules: {
        'no-restricted-globals': ['error', ...ownedByLib] as ['error', ...object[]],
        'no-restricted-properties': [
          'error',
          { object: 'Date', property: 'now', message: 'Wall clock goes through lib (Clock).' },
          { object: 'Math', property: 'random', message: 'Randomness goes through lib (Random).' },
          { object: 'performance', property: 'now', message: 'Monotonic time goes through lib (Clock).' },
        ] as ['error', ...object[]],
      },
    },
    {
      files: ['test/**/*.ts', 'bench/**/*.ts'],
      rules: {
        'max-lines-per-function': 'off',
        'typescript/no-floating-promises': 'off',
        'typescript/unbound-method': 'off',
        'typescript/require-array-sort-compare': 'off',
      },
    },
  ],
});
