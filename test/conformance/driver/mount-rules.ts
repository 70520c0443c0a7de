import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerMount, ContainerSecurity } from '../../../agent/drivers/driver.ts';
import { run } from '../../../lib/exec.ts';
import {
  type BenchTraits,
  containerSpec,
  type DriverBench,
  eventually,
  exited,
  logText,
  sandboxSpec,
  startOne,
  testWhen,
} from './bench.ts';

/** Volumes and rights; a host process has both only from an agent that is root. */
export function mountRules(use: () => DriverBench, traits: BenchTraits): void {
  const applies = traits.real && (traits.ownFiles || process.getuid?.() === 0);

  const said = async (script: string, more: { mounts?: ContainerMount[]; security?: ContainerSecurity }) => {
    const bench = use();
    const driver = bench.open();
    const { sandbox, handle } = await startOne(bench, driver, {
      script: `exec 2>&1; ${script}; true`,
      ...more,
    });
    const { exitCode } = await exited(driver, handle);
    const text = await logText(driver, handle);
    await driver.removeSandbox(sandbox);
    assert.equal(exitCode, 0, text);
    return text;
  };

  testWhen(applies)(
    'folders and files are mounted where the container wants them, read-only where it says so',
    async () => {
      const base = await mkdtemp(join(tmpdir(), 'flotilla mounts,'));
      try {
        await writeFile(join(base, 'file'), 'of the host');
        // A host process has these mount points on the host.
        const at = join(tmpdir(), `flotilla-target-${process.pid}`);
        const mount = { readOnly: false, propagation: 'private' } as const;
        const text = await said(
          [
            `cat '${at}/open/file'; echo; cat '${at}/single'; echo`,
            `echo x > '${at}/open/written'`,
            `echo x > '${at}/closed/written'`,
          ].join('; '),
          {
            mounts: [
              { ...mount, source: base, target: `${at}/open` },
              { ...mount, source: base, target: `${at}/closed`, readOnly: true },
              { ...mount, source: join(base, 'file'), target: `${at}/single` },
            ],
          },
        );
        assert.match(text, /^of the host\nof the host\n/);
        assert.match(text, /Read-only file system/);
        assert.equal(await readFile(join(base, 'written'), 'utf8'), 'x\n');
        const mounts = await readFile('/proc/self/mounts', 'utf8');
        assert.ok(!mounts.includes(at), 'the host sees none of it');
        await rm(at, { recursive: true, force: true });
      } finally {
        await rm(base, { recursive: true, force: true });
      }
    },
  );

  testWhen(applies && traits.givesRights)(
    'a container runs as the user and with the groups that it asks for',
    async () => {
      const text = await said("grep -E '^(Uid|Gid|Groups)' /proc/self/status", {
        security: { user: 4711, group: 4712, groups: [4713, 4714] },
      });
      assert.match(text, /^Uid:\t4711\t4711/m);
      assert.match(text, /^Gid:\t4712\t4712/m);
      assert.match(text, /^Groups:.*\b4713 4714\b/m);
    },
  );

  testWhen(applies && traits.givesRights)(
    'capabilities are dropped and given as asked, and no more can be had where that is forbidden',
    async () => {
      const bit = (text: string, set: string, capability: number) => {
        const mask = BigInt(`0x${new RegExp(`^${set}:\t(.*)$`, 'm').exec(text)?.[1] ?? '0'}`);
        return ((mask >> BigInt(capability)) & 1n) === 1n;
      };
      const script = "grep -E '^(Cap|NoNew)' /proc/self/status";
      const none = await said(script, { security: { dropCapabilities: ['ALL'], noNewPrivileges: true } });
      assert.match(none, /^CapEff:\t0+$/m);
      assert.match(none, /^CapBnd:\t0+$/m);
      assert.match(none, /^NoNewPrivs:\t1$/m);
      const bind = 10;
      const some = await said(script, {
        security: { user: 4711, dropCapabilities: ['ALL'], addCapabilities: ['NET_BIND_SERVICE'] },
      });
      assert.ok(bit(some, 'CapBnd', bind) && bit(some, 'CapEff', bind), some);
      assert.ok(!bit(some, 'CapBnd', 0), some);
    },
  );

  testWhen(applies)('what is read-only is so but for the volumes', async () => {
    const base = await mkdtemp(join(tmpdir(), 'flotilla-mounts-'));
    try {
      const at = join(tmpdir(), `flotilla-writable-${process.pid}`);
      const text = await said(`touch /refused '${tmpdir()}/refused'; touch '${at}/made' && echo made`, {
        mounts: [{ source: base, target: at, readOnly: false, propagation: 'private' }],
        security: { readOnlyRoot: true },
      });
      assert.equal(text.match(/Read-only file system/g)?.length ?? 0, 2, text);
      assert.match(text, /^made$/m);
      await rm(at, { recursive: true, force: true });
    } finally {
      await rm(base, { recursive: true, force: true });
    }
  });

  testWhen(applies)(
    'what a container writes to /tmp nobody else sees, and it goes with the container',
    async () => {
      const bench = use();
      const driver = bench.open();
      const name = `flotilla-tmp-${randomUUID()}`;
      const { sandbox, handle } = await startOne(bench, driver, {
        script: `mkdir -p /tmp; echo secret > /tmp/${name}; echo written; while :; do sleep 1; done`,
      });
      await eventually('it has written', async () => (await logText(driver, handle)) || undefined);
      const looking = {
        container: 'other',
        script: `mkdir -p /tmp; ls /tmp; echo of the other > /tmp/${name}`,
      };
      const other = await driver.create(containerSpec(bench, sandbox, looking), sandbox);
      await driver.start(other);
      await exited(driver, other);
      assert.doesNotMatch(await logText(driver, other), new RegExp(name));
      const inside = await driver.exec?.(handle, {
        command: ['cat', `/tmp/${name}`],
        stdin: false,
        tty: false,
      });
      assert.ok(inside);
      let text = '';
      for await (const { data } of inside.output()) text += Buffer.from(data).toString();
      assert.equal(text, 'secret\n');
      await assert.rejects(readFile(join('/tmp', name)), { code: 'ENOENT' });
      await driver.removeSandbox(sandbox);
      const found = await run('find', [bench.stateDir ?? '/nonexistent', '-name', name], {
        timeoutMs: 20_000,
      });
      assert.equal(found.stdout, '');
    },
  );

  testWhen(applies)('what of the host lies in /tmp can be had as a volume, there too', async () => {
    const base = await mkdtemp(join('/tmp', 'flotilla-mounts-'));
    try {
      await writeFile(join(base, 'file'), 'of the host');
      const shown = { source: base, target: base, readOnly: false, propagation: 'private' } as const;
      assert.equal(await said(`cat ${base}/file`, { mounts: [shown] }), 'of the host');
      const all = { source: '/tmp', target: '/tmp', readOnly: true, propagation: 'private' } as const;
      assert.equal(await said(`cat ${base}/file`, { mounts: [all] }), 'of the host');
    } finally {
      await rm(base, { recursive: true, force: true });
    }
  });

  testWhen(applies)(
    'root is refused to a container that must not be root, in words people search for',
    async () => {
      const bench = use();
      const driver = bench.open();
      const sandbox = await driver.createSandbox(sandboxSpec());
      const nonRoot = '(pod: "pod_default(uid)", container: main)';
      const asRoot = containerSpec(bench, sandbox, { script: 'true', security: { nonRoot } });
      await assert.rejects(driver.create(asRoot, sandbox), {
        code: 'CreateContainerConfigError',
        message: `container has runAsNonRoot and image will run as root ${nonRoot}`,
      });
      const zero = containerSpec(bench, sandbox, { script: 'true', security: { nonRoot, user: 0 } });
      await assert.rejects(driver.create(zero, sandbox), {
        message: `container's runAsUser breaks non-root policy ${nonRoot}`,
      });
      const other = containerSpec(bench, sandbox, { script: 'true', security: { nonRoot, user: 1 } });
      await driver.create(other, sandbox);
      await driver.removeSandbox(sandbox);
    },
  );
}
