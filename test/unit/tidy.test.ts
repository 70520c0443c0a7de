import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { flotillaVersion } from '../../protocol/version.ts';

/** Our own rules that no linter knows (the rest is in oxlint.config.ts). */
const root = join(import.meta.dirname, '../..');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '');
const sources = files.filter((file) => file.endsWith('.ts') && !file.includes('/generated/'));
const read = (file: string) => readFileSync(join(root, file), 'utf8');

function offenders(list: readonly string[], isBad: (file: string) => boolean): string[] {
  return list.filter(isBad);
}

test('files are named in kebab-case for the thing inside, never for a drawer', () => {
  const drawers = new Set([
    'utils',
    'util',
    'helpers',
    'helper',
    'common',
    'manager',
    'types',
    'misc',
    'index',
  ]);
  assert.deepEqual(
    offenders(sources, (file) => {
      const name = basename(file).replace(/(\.test)?\.ts$/, '');
      return drawers.has(name) || !/^[a-z0-9]+(-[a-z0-9]+)*(\.config)?$/.test(name);
    }),
    [],
  );
});

test('no commented-out code, no banners, no left-over marks', () => {
  const bad =
    /^\s*\/\/\s*(const|let|if|return|await|import|export)\b.*[;{]$|^\s*\/\/\s*[-=*#]{4,}|\b(TODO|FIXME|XXX|HACK)\b/m;
  assert.deepEqual(
    offenders(
      sources.filter((file) => file !== 'test/unit/tidy.test.ts'),
      (file) => bad.test(read(file)),
    ),
    [],
  );
});

test('enums, parameter properties and namespaces are absent: the sources run as they are', () => {
  assert.deepEqual(
    offenders(sources, (file) => /^\s*(export\s+)?(const\s+)?(enum|namespace)\s+\w+\s*\{/m.test(read(file))),
    [],
  );
});

test('the version is the same everywhere', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  assert.equal(flotillaVersion, version);
});

test('only registries re-export', () => {
  assert.deepEqual(
    offenders(sources, (file) => basename(file) !== 'registry.ts' && /^export \* from/m.test(read(file))),
    [],
  );
});

test('every invariant in the architecture page names a test that exists', () => {
  const page = read('docs/ARCHITECTURE.md');
  const invariants = page.slice(page.indexOf('## Invariants')).split('\n## ')[0] ?? '';
  const rows = invariants.split('\n').filter((line) => line.startsWith('- '));
  assert.ok(rows.length > 0, 'the page lists invariants');
  const known = new Set(files);
  const bad = rows.filter((row) => {
    const named = [...row.matchAll(/`((?:test|oxlint)[^`]*\.ts)`/g)].map((match) => match[1] ?? '');
    return named.length === 0 || named.some((file) => !known.has(file));
  });
  assert.deepEqual(bad, []);
});

test('nothing names a folder of the machine it was written on', () => {
  const machinePath = new RegExp(['/', 'work/(main|wt|shared|\\.library)'].join(''));
  assert.deepEqual(
    offenders(
      files.filter((file) => /\.(ts|md|json|sh|yaml)$/.test(file)),
      (file) => machinePath.test(read(file)),
    ),
    [],
  );
});
