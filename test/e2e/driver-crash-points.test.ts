import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import type { RuntimeDriver } from '../../agent/drivers/driver.ts';
import { findRuntimeProgram } from '../../agent/drivers/process/runtime-program.ts';
import { openDrivers } from '../../agent/drivers/registry.ts';
import { systemClock } from '../../lib/clock.ts';
import { run } from '../../lib/exec.ts';
import { silentLogger } from '../../lib/log.ts';
import { eventually } from '../conformance/driver/bench.ts';
import { testImage, testImageArchive } from '../conformance/driver/test-image.ts';

/**
 * Real runtimes whose agent is killed so many milliseconds into each thing it does. The next agent does that again, as
 * its plan would have it: the container runs once at most, and in the end nothing is left of it anywhere.
 */
const root = join(import.meta.dirname, '../..');

const prelude = `
const [root, stateDir, runtime, image, uid, dieAt, delay] = process.argv.slice(2);
const { openDrivers } = await import(root + '/agent/drivers/registry.ts');
const { systemClock } = await import(root + '/lib/clock.ts');
const { silentLogger } = await import(root + '/lib/log.ts');
const { drivers } = await openDrivers({ stateDir, cluster: 'test', clock: systemClock, log: silentLogger, runtime });
const driver = drivers[0].driver;
`;

/** Written once and run by the agent that dies and by the one that comes after it. */
const life = `
async function live(driver, { podUid, image, script, die }) {
  await die('createSandbox', driver.createSandbox({ podUid, namespace: 'default', name: 'pod', hostname: 'pod',
    hostNetwork: true, ports: [], labels: {} }));
  const sandbox = (await driver.list()).sandboxes.find((found) => found.podUid === podUid);
  const handle = await driver.create({ podUid, namespace: 'default', pod: 'pod', container: 'main', attempt: 0, image,
    command: ['sh', '-c', script], args: [], workingDir: undefined, environment: {}, security: {}, tty: false, stdin: false,
    mounts: [{ source: process.env.MARKS, target: process.env.MARKS, readOnly: false, propagation: 'private' }],
    resources: { cpuLimitMillis: undefined, cpuRequestMillis: undefined, memoryLimitBytes: undefined } }, sandbox);
  await die('start', driver.start(handle));
  await die('stop', driver.stop(handle, { graceMs: 300 }));
  await die('remove', driver.remove(handle));
  await die('removeSandbox', driver.removeSandbox(sandbox));
}
`;

const dying = `${prelude}${life}
const die = (step, work) => {
  if (step === dieAt) setTimeout(() => process.kill(process.pid, 'SIGKILL'), Number(delay));
  return work;
};
await live(driver, { podUid: uid, image, script: process.env.SCRIPT, die });
process.kill(process.pid, 'SIGKILL');
`;

/** Notes each of its starts, and does not end by being asked. */
const scriptOf = (marks: string) =>
  `echo started >> ${marks}/starts; trap "" TERM; while :; do sleep 0.1; done`;

const steps = ['createSandbox', 'start', 'stop', 'remove', 'removeSandbox'];
const delaysMs = { process: [0, 8], unpacked: [8, 60], oci: [40, 150] };

interface Bench {
  driver: RuntimeDriver;
  image: string;
  stateDir: string;
  program: string;
  runtime: 'process' | 'oci';
}

/** With an image of its own where that is asked of processes, too. */
async function open(
  t: TestContext,
  { runtime, images }: { runtime: 'process' | 'oci'; images: boolean },
): Promise<Bench | undefined> {
  const stateDir = await mkdtemp(join(tmpdir(), 'flotilla-crash-'));
  const context = { stateDir, cluster: 'test', clock: systemClock, log: silentLogger };
  const opened = await openDrivers({ ...context, runtime }).catch((error: unknown) => String(error));
  t.after(() => rm(stateDir, { recursive: true, force: true }));
  if (typeof opened === 'string') {
    t.skip(opened);
    return undefined;
  }
  t.after(() => opened[Symbol.dispose]());
  const [first] = opened.drivers;
  assert.ok(first);
  const engine = first.probe.version.split(':')[0] ?? '';
  const image =
    runtime === 'oci' ? await testImage(engine) : images ? await loadedImage(first.driver, stateDir) : 'host';
  const program = join(stateDir, 'agent.mjs');
  await writeFile(program, dying);
  return { driver: first.driver, image, stateDir, program, runtime };
}

async function loadedImage(driver: RuntimeDriver, stateDir: string): Promise<string> {
  const { name, archive } = await testImageArchive();
  await writeFile(join(stateDir, 'image.tar'), archive);
  await driver.images?.load(join(stateDir, 'image.tar'), new AbortController().signal);
  return name;
}

/** Dies there, then another agent does everything again. */
async function dieAndComeBack(bench: Bench, step: string, delayMs: number): Promise<void> {
  const { driver, image, stateDir, program, runtime } = bench;
  const podUid = crypto.randomUUID();
  const marks = await mkdtemp(join(stateDir, 'marks-'));
  const args = [program, root, stateDir, runtime, image, podUid, step, String(delayMs)];
  const environment = { ...cleanEnvironment(), MARKS: marks, SCRIPT: scriptOf(marks) };
  const { exitCode, stderr } = await run(process.execPath, args, { timeoutMs: 60_000, environment });
  assert.equal(exitCode, 137, stderr);
  const starts = async () =>
    existsSync(join(marks, 'starts'))
      ? (await readFile(join(marks, 'starts'), 'utf8')).split('\n').length - 1
      : 0;
  if (step === 'createSandbox' || step === 'start') await startAgain(bench, podUid, marks);
  if (step === 'start') await eventually('it runs', async () => (await starts()) === 1 || undefined);
  for (const handle of (await driver.list()).containers) await driver.stop(handle, { graceMs: 0 });
  for (const sandbox of (await driver.list()).sandboxes) await driver.removeSandbox(sandbox);
  let last: string[] = [];
  assert.ok((await starts()) <= 1, 'it ran once at most');
  assert.deepEqual(await driver.list(), { sandboxes: [], containers: [] });
  await eventually('nothing is left over', async () => {
    // An engine ends its monitors a moment later.
    last = await leftovers(podUid, stateDir);
    return last.length === 0 || undefined;
  }).catch(() => assert.deepEqual(last, []));
}

async function startAgain({ driver, image }: Bench, podUid: string, marks: string): Promise<void> {
  const pod = { podUid, namespace: 'default', name: 'pod', hostname: 'pod' };
  // As a pod's worker does: an engine whose caller died may be at it still, and refuses for as long.
  const sandbox = await eventually('a sandbox', () =>
    driver.createSandbox({ ...pod, hostNetwork: true, ports: [], labels: {} }).catch(() => undefined),
  );
  const handle = await driver.create(
    {
      podUid,
      namespace: 'default',
      pod: 'pod',
      container: 'main',
      attempt: 0,
      image,
      command: ['sh', '-c', scriptOf(marks)],
      args: [],
      workingDir: undefined,
      environment: {},
      security: {},
      mounts: [{ source: marks, target: marks, readOnly: false, propagation: 'private' }],
      resources: { cpuLimitMillis: undefined, cpuRequestMillis: undefined, memoryLimitBytes: undefined },
      tty: false,
      stdin: false,
    },
    sandbox,
  );
  await driver.start(handle);
  const state = await driver.inspect(handle);
  assert.equal(state.state, 'running', JSON.stringify(state));
}

/** Whatever on the machine still names the pod: processes, mounts, groups, files. */
async function leftovers(podUid: string, stateDir: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) continue;
    const texts = await Promise.all(
      ['cmdline', 'environ'].map((name) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '')),
    );
    if (texts.some((text) => text.includes(podUid))) found.push(`process ${pid}: ${texts[0]?.slice(0, 200)}`);
  }
  const mounts = await readFile('/proc/mounts', 'utf8');
  found.push(...mounts.split('\n').filter((line) => line.includes(podUid)));
  const groups = await run('find', ['/sys/fs/cgroup', '-name', `*${podUid}*`], { timeoutMs: 20_000 });
  const files = await run('find', [stateDir, '-name', `*${podUid}*`], { timeoutMs: 20_000 });
  found.push(...`${groups.stdout}${files.stdout}`.split('\n').filter((line) => line !== ''));
  return found;
}

function cleanEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

const shapes = [
  { runtime: 'process', images: false },
  { runtime: 'process', images: true },
  { runtime: 'oci', images: true },
] as const;
const programMissing = findRuntimeProgram({ cgroups: true })
  ? false
  : 'nothing runs images without an engine';

for (const { runtime, images } of shapes)
  suite(`an agent killed in the middle of each call, runtime ${runtime}${images ? ' with images' : ''}`, {
    skip: images && runtime === 'process' ? programMissing : false,
    timeout: 120_000,
  }, () => {
    test('runs nothing twice, and the next one leaves nothing over', async (t) => {
      const bench = await open(t, { runtime, images });
      if (!bench) return;
      for (const step of steps)
        for (const delayMs of delaysMs[runtime === 'process' && images ? 'unpacked' : runtime])
          await dieAndComeBack(bench, step, delayMs).catch((error: unknown) => {
            throw new Error(`killed ${delayMs} ms into ${step}`, { cause: error });
          });
    });
  });
