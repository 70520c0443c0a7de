import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { build, type Metafile } from 'esbuild';
import { bundleOptions } from '../../../cli/build-bundle.ts';

/** What a program loads is told by esbuild's own account of the bundle. */
describe('the bundle', () => {
  let outputs: Metafile['outputs'];

  before(async () => {
    const options = bundleOptions(join(import.meta.dirname, '../../..'));
    const { metafile } = await build({ ...options, metafile: true, write: false });
    assert.ok(metafile);
    outputs = metafile.outputs;
  });

  /** Sources that are in memory once `entries` run, without what they load later. */
  function loaded(...entries: string[]): string[] {
    const files = new Set<string>();
    const add = (file: string) => {
      const output = outputs[file];
      if (!output || files.has(file)) return;
      files.add(file);
      for (const { kind, path } of output.imports) if (kind === 'import-statement') add(path);
    };
    for (const entry of entries) {
      const [file] = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === entry) ?? [];
      assert.ok(file, `${entry} is an entry of the bundle`);
      add(file);
    }
    return [...files].flatMap((file) => Object.keys(outputs[file]?.inputs ?? {}));
  }

  const packages = (files: readonly string[]) =>
    new Set(
      files.flatMap((file) => file.match(/(?<=node_modules\/)(@[^/]+\/)?[^/]+(?!.*node_modules)/)?.[0] ?? []),
    );

  test('the agent loads nothing of the server, and no package that it needs once or rarely', () => {
    const files = loaded('cli/main.ts', 'cli/commands/agent.ts');
    assert.ok(files.includes('agent/main.ts'));
    assert.deepEqual(
      files.filter((file) => file.startsWith('server/')),
      [],
    );
    const used = packages(files);
    assert.ok(used.has('mqtt'));
    const unwanted = [
      'aedes',
      'lru-cache',
      'readable-stream',
      'socks',
      'systeminformation',
      'worker-timers',
      'ws',
      'yaml',
    ];
    assert.deepEqual(
      unwanted.filter((name) => used.has(name)),
      [],
    );
    assert.ok(!files.includes('agent/link/join.ts'), 'joining is loaded when a device joins');
  });

  test('the server loads nothing of the agent', () => {
    const files = loaded('cli/main.ts', 'cli/commands/server.ts');
    assert.ok(files.includes('server/main.ts'));
    assert.deepEqual(
      files.filter((file) => file.startsWith('agent/')),
      [],
    );
  });

  test('a command that is not called is not loaded', () => {
    const files = loaded('cli/main.ts');
    assert.deepEqual(
      files.filter((file) => file.startsWith('cli/commands/')),
      ['cli/commands/registry.ts'],
    );
    assert.deepEqual([...packages(files)], []);
  });
});
