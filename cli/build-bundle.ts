import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';

/**
 * Makes the bundle that the launcher runs (docs/decisions/0100): `.bundle/<id>/`, named by the file
 * `.bundle/current`, whose time is when the build began. A bundle is never changed once it is named, so programs
 * may start and build at the same time.
 */
export async function makeBundle(checkout: string): Promise<void> {
  const bundles = join(checkout, '.bundle');
  const began = new Date();
  const id = randomBytes(6).toString('hex');
  await mkdir(join(bundles, id), { recursive: true });
  await build({ ...bundleOptions(checkout), outdir: join(bundles, id) });
  const current = join(bundles, id, 'id');
  await writeFile(current, `${id}\n`);
  await utimes(current, began, began);
  await rename(current, join(bundles, 'current'));
  await removeUnused(bundles, id);
}

/** One file for what every command needs, and one for each command and each part that is loaded when it is needed. */
export function bundleOptions(checkout: string): BuildOptions {
  return {
    absWorkingDir: checkout,
    entryPoints: ['cli/main.ts', 'agent/host/describe-hardware.ts'],
    outdir: join(checkout, '.bundle/new'),
    entryNames: '[name]',
    bundle: true,
    splitting: true,
    // Names stay, so that stack traces can be read; shortening them would save 0.1 MB.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 120,
    // Node reads them only with --enable-source-maps.
    sourcemap: 'linked',
    sourcesContent: false,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    // Stays a file that is read and forgotten; as code it would stay in memory.
    loader: { '.json': 'copy' },
    external: ['classic-level'],
    alias: { 'readable-stream': 'node:stream' },
    plugins: [plainBuiltins, leftOut],
    // CommonJS packages in the bundle ask for Node's own modules with it.
    banner: { js: "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);" },
    logLevel: 'error',
  };
}

/**
 * `import … from 'node:http'` reads every property of the module, also those that are made at their first use: it loads Node's whole
 * fetch and WebSocket, 15 MB. `getBuiltinModule` does not. Only the names that are imported are read here.
 */
const plainBuiltins: Plugin = {
  name: 'plain-builtins',
  setup(bundler) {
    bundler.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'require-call' ? undefined : { path, namespace: 'builtin', sideEffects: false },
    );
    bundler.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => {
      const names = Object.keys(process.getBuiltinModule(path) ?? {}).filter((name) => name !== 'default');
      return {
        contents: [
          `const builtin = process.getBuiltinModule(${JSON.stringify(path)});`,
          'const named = (name) => builtin[name];',
          'export default builtin;',
          ...names.map((name) => `export const ${name} = /* @__PURE__ */ named('${name}');`),
        ].join('\n'),
      };
    });
  },
};

/**
 * What the MQTT client loads for browsers, and for version 5 of the protocol; a device uses neither, and it would be
 * 80 kB of code in its memory.
 */
const leftOut: Plugin = {
  name: 'left-out',
  setup(bundler) {
    bundler.onResolve({ filter: /^(worker-timers|lru-cache)$/ }, ({ path, importer }) =>
      importer.includes('/node_modules/mqtt/') ? { path, namespace: 'left-out' } : undefined,
    );
    bundler.onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** A bundle this old that no running program was started from is of no use to anyone. */
const keepMs = 60_000;

/** Programs load parts of their bundle late, so one that still runs keeps it. */
async function removeUnused(bundles: string, current: string): Promise<void> {
  const processes = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(
    processes.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  if (processes.length === 0) return;
  for (const id of await readdir(bundles)) {
    if (id === 'current' || id === current || commands.some((command) => command.includes(id))) continue;
    const { mtimeMs } = await stat(join(bundles, id)).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (Date.now() - mtimeMs > keepMs) await rm(join(bundles, id), { recursive: true, force: true });
  }
}

if (import.meta.main) {
  try {
    await makeBundle(join(import.meta.dirname, '..'));
  } catch (error) {
    const words = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    process.stderr.write(
      `flotilla: cannot make the bundle (${words}); running the sources, which takes more memory\n`,
    );
    process.exitCode = 1;
  }
}
