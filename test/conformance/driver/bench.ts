import { randomInt, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type {
  ContainerHandle,
  ContainerSpec,
  ContainerState,
  RuntimeDriver,
  SandboxHandle,
  SandboxSpec,
} from '../../../agent/drivers/driver.ts';
import { createHollowDriver, createHollowHost } from '../../../agent/drivers/hollow-driver.ts';
import { describeEngine, type EngineCommand, findEngine } from '../../../agent/drivers/oci/engine.ts';
import { createOciDriver } from '../../../agent/drivers/oci-driver.ts';
import { findRuntimeProgram } from '../../../agent/drivers/process/runtime-program.ts';
import { createProcessDriver } from '../../../agent/drivers/process-driver.ts';
import { type Layers, openLayers } from '../../../agent/layers/layers.ts';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { systemRandom } from '../../../lib/random.ts';
import { hollowBehaviour } from './scripts.ts';
import { testImage, testImageArchive } from './test-image.ts';

/** One implementation on this host, in a corner of its own, with everything it made removed at the end. */
export interface DriverBench extends AsyncDisposable {
  /** A new instance over what exists already: a restarted agent. */
  open(): RuntimeDriver;
  image: string;
  /** Where it keeps what is on disk. */
  stateDir?: string;
}

/** What can be asked of an implementation on this host. */
export interface BenchTraits {
  /** Runs real programs, so that exec, groups and environments can be looked at. */
  real: boolean;
  /** Pods have namespaces of their own, network among them. */
  isolates: boolean;
  /** Containers have images, and files of their own. */
  ownFiles: boolean;
  /** Containers run as whom they ask, with the rights that they ask for. */
  givesRights: boolean;
  pulls: boolean;
  limitsMemory: boolean;
  /** Podman tells so with control groups of version 2 only. */
  tellsOutOfMemory: boolean;
}

export interface BenchDefinition {
  name: string;
  /** Why it cannot be tried here. */
  skip?: string;
  traits: BenchTraits;
  make: () => Promise<DriverBench>;
}

export async function driverBenches(): Promise<BenchDefinition[]> {
  const engines: EngineCommand[] = ['podman', 'docker', 'nerdctl'];
  return [
    hollowDefinition(),
    await processDefinition('auto'),
    await processDefinition('none'),
    await imageProcessDefinition('crun'),
    await imageProcessDefinition('runc'),
    await imageProcessDefinition('bwrap'),
    ...(await Promise.all(engines.map(engineDefinition))),
  ];
}

/** A test for implementations that have what it needs; the others have nothing to skip. */
export function testWhen(applies: boolean): (name: string, body: () => Promise<void>) => void {
  return (name, body) => {
    if (applies) void test(name, body);
  };
}

function hollowDefinition(): BenchDefinition {
  const host = createHollowHost();
  const images = new Set(['localhost/there:1']);
  return {
    name: 'hollow',
    traits: {
      real: false,
      isolates: false,
      ownFiles: false,
      givesRights: false,
      pulls: true,
      limitsMemory: false,
      tellsOutOfMemory: false,
    },
    make: () =>
      Promise.resolve({
        open: () => createHollowDriver({ clock: systemClock, host, behave: hollowBehaviour, images }),
        image: 'localhost/there:1',
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  };
}

async function processDefinition(cgroups: 'auto' | 'none'): Promise<BenchDefinition> {
  const stateDir = await mkdtemp(join(tmpdir(), 'flotilla-driver-'));
  const open = () => createProcessDriver({ stateDir, clock: systemClock, log: silentLogger, cgroups });
  const { message } = await open().probe();
  const limitsMemory = /enforced: .*memory/.test(message);
  return {
    name: `process, ${message.replace(/^[^(]*/, '')}`,
    traits: {
      real: true,
      isolates: false,
      ownFiles: false,
      givesRights: process.getuid?.() === 0,
      pulls: false,
      limitsMemory,
      tellsOutOfMemory: limitsMemory,
    },
    make: () =>
      Promise.resolve({
        open,
        stateDir,
        image: 'host',
        [Symbol.asyncDispose]: async () => {
          await removeEverything(open());
          await rm(stateDir, { recursive: true, force: true });
        },
      }),
  };
}

/** Images without an engine: the third shape of processes. */
async function imageProcessDefinition(imageProgram: 'crun' | 'runc' | 'bwrap'): Promise<BenchDefinition> {
  const stateDir = await mkdtemp(join(tmpdir(), 'flotilla-driver-'));
  const shared = { stateDir, clock: systemClock, log: silentLogger, imageProgram };
  const open = () => createProcessDriver({ ...shared, layers: () => openTestLayers(stateDir) });
  const { message } = await open().probe();
  const limitsMemory = /enforced: .*memory/.test(message);
  const usable = findRuntimeProgram({ cgroups: limitsMemory, only: imageProgram }) !== undefined;
  if (!usable) await rm(stateDir, { recursive: true, force: true });
  return {
    name: `process with an image, by ${imageProgram}`,
    ...(usable ? {} : { skip: `${imageProgram} cannot be used here` }),
    traits: {
      real: true,
      isolates: false,
      ownFiles: true,
      givesRights: imageProgram !== 'bwrap',
      pulls: true,
      limitsMemory,
      tellsOutOfMemory: limitsMemory,
    },
    make: async () => {
      const { name, archive } = await testImageArchive();
      const file = join(stateDir, 'image.tar');
      await writeFile(file, archive);
      await open().images?.load(file, new AbortController().signal);
      return {
        open,
        stateDir,
        image: name,
        [Symbol.asyncDispose]: async () => {
          await removeEverything(open());
          await rm(stateDir, { recursive: true, force: true });
        },
      };
    },
  };
}

function openTestLayers(stateDir: string): Promise<Layers> {
  return openLayers({
    folder: join(stateDir, 'fetched'),
    bytesMax: 2 ** 30,
    neighbourhood: { peers: async () => [], keeps: () => false },
    environment: {},
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  });
}

async function engineDefinition(command: EngineCommand): Promise<BenchDefinition> {
  const finding = await findEngine(command);
  const limitsMemory = finding.engine?.limitsMemory === true;
  const cgroupsVersion2 = existsSync('/sys/fs/cgroup/cgroup.controllers');
  return {
    name: finding.engine ? describeEngine(finding.engine) : command,
    ...(finding.engine ? {} : { skip: finding.reason }),
    traits: {
      real: true,
      isolates: true,
      ownFiles: true,
      givesRights: true,
      pulls: true,
      limitsMemory,
      tellsOutOfMemory: limitsMemory && (command !== 'podman' || cgroupsVersion2),
    },
    make: async () => {
      const owner = `test-${randomUUID().slice(0, 8)}`;
      const stateDir = await mkdtemp(join(tmpdir(), 'flotilla-driver-'));
      const shared = { cluster: 'test', clock: systemClock, log: silentLogger };
      const options = { ...shared, owner, stateDir, engines: [command] };
      const open = () => createOciDriver(options);
      return {
        open,
        stateDir,
        image: await testImage(command),
        [Symbol.asyncDispose]: async () => {
          await removeEverything(open());
          await rm(stateDir, { recursive: true, force: true });
        },
      };
    },
  };
}

async function removeEverything(driver: RuntimeDriver): Promise<void> {
  for (const sandbox of (await driver.list()).sandboxes) await driver.removeSandbox(sandbox);
  driver[Symbol.dispose]?.();
}

export function sandboxSpec(overrides: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    podUid: randomUUID(),
    namespace: 'default',
    name: 'pod',
    hostname: 'pod',
    hostNetwork: false,
    ports: [],
    labels: {},
    ...overrides,
  };
}

export function containerSpec(
  bench: DriverBench,
  sandbox: SandboxHandle,
  overrides: Partial<ContainerSpec> & { script?: string },
): ContainerSpec {
  const { script, ...rest } = overrides;
  return {
    podUid: sandbox.podUid,
    namespace: 'default',
    pod: 'pod',
    container: 'main',
    attempt: 0,
    image: bench.image,
    command: script === undefined ? [] : ['sh', '-c', script],
    args: [],
    workingDir: undefined,
    environment: {},
    mounts: [],
    security: {},
    resources: { cpuLimitMillis: undefined, cpuRequestMillis: undefined, memoryLimitBytes: undefined },
    tty: false,
    stdin: false,
    ...rest,
  };
}

/** Creates and starts one container in a sandbox of its own. */
export async function startOne(
  bench: DriverBench,
  driver: RuntimeDriver,
  overrides: Partial<ContainerSpec> & { script?: string },
): Promise<{ sandbox: SandboxHandle; handle: ContainerHandle }> {
  const sandbox = await driver.createSandbox(sandboxSpec());
  const handle = await driver.create(containerSpec(bench, sandbox, overrides), sandbox);
  await driver.start(handle);
  return { sandbox, handle };
}

export type Exited = Extract<ContainerState, { state: 'exited' }>;

export async function exited(driver: RuntimeDriver, handle: ContainerHandle): Promise<Exited> {
  return eventually('the container has exited', async () => {
    const state = await driver.inspect(handle);
    return state.state === 'exited' ? state : undefined;
  });
}

export async function runningPid(driver: RuntimeDriver, handle: ContainerHandle): Promise<number> {
  const state = await driver.inspect(handle);
  if (state.state !== 'running') throw new Error(`expected a running container, it is ${state.state}`);
  return state.pid;
}

const patienceMs = 20_000;
const lookMs = 20;

/** Waits for a condition; the time limit only tells a hang from a slow machine. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const result = await look();
    if (result !== undefined) return result;
    if (performance.now() > deadline) throw new Error(`not within ${patienceMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

export async function logText(
  driver: RuntimeDriver,
  handle: ContainerHandle,
  options: Partial<Parameters<NonNullable<RuntimeDriver['logs']>>[1]> = {},
): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of driver.logs?.(
    handle,
    {
      follow: false,
      tailLines: undefined,
      limitBytes: undefined,
      sinceMs: undefined,
      timestamps: false,
      ...options,
    },
    new AbortController().signal,
  ) ?? [])
    chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** A number of seconds to sleep that no other process has among its words. */
export function uniqueSeconds(): string {
  return String(100_000_000 + randomInt(800_000_000));
}

/** How many processes of this host, in whatever namespace, have this word in their command line. */
export async function countProcesses(word: string): Promise<number> {
  let count = 0;
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (text.split('\0').includes(word)) count++;
  }
  return count;
}
