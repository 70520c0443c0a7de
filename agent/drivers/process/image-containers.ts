import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { open, readFile, realpath, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Clock, sleep } from '../../../lib/clock.ts';
import { readImageFile } from '../../unpacked/image-file.ts';
import type { UnpackedImage, UnpackedImages } from '../../unpacked/unpacked-images.ts';
import type { ContainerMount, ContainerSpec, ExecOptions, ExecProcess, SandboxSpec } from '../driver.ts';
import { DriverError } from '../errors.ts';
import { openExecProcess, shellQuote } from '../exec-process.ts';
import { makeContainerFiles } from '../oci/container-files.ts';
import { killMarked, markName } from '../oci/marked-processes.ts';
import { bubblewrapWords, requireExecByBubblewrap } from './bubblewrap.ts';
import type { Cgroup } from './cgroups.ts';
import {
  type ContainerFolder,
  containerFolder,
  firstProcess,
  podFolder,
  readExit,
  readStart,
  writeWhole,
} from './container-folder.ts';
import { hostNameFiles, type ImageProcess, imageProcess, requireRunnable } from './image-process.ts';
import { hasOverlays, inImageRoot, makeImageRoot } from './image-root.ts';
import { imageUser } from './image-user.ts';
import { ociConfig, ociProcess } from './oci-bundle.ts';
import { findRuntimeProgram, installWords, type RuntimeProgram } from './runtime-program.ts';
import type { ShimOptions } from './shim.ts';
import { systemProgram } from './system-program.ts';

/**
 * Containers that have their files from an image, without an engine: crun, runc or bubblewrap run them below the same shim as host
 * processes, on the host's network. In the container's folder, beside what image-root.ts puts there:
 *
 *   image           id of the image; while it is there the image stays
 *   launch.json     Launch; holds secrets
 *   config.json     for crun and runc
 *   words           for bubblewrap
 *   first           number of the container's first process, as the runtime program tells it
 *   runtime/        what crun or runc remember; runtime.log what they complain of
 */
export interface ImageContainersOptions {
  /** `<stateDir>/process` */
  root: string;
  clock: Clock;
  images: () => Promise<UnpackedImages>;
  program?: RuntimeProgram['kind'] | undefined;
}

interface Launch {
  program: RuntimeProgram;
  process: ImageProcess;
}

type Words = Pick<
  ShimOptions,
  'command' | 'environment' | 'cwd' | 'joinFiles' | 'killFile' | 'oomScoreAdjust'
>;

const hostEnvironment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
const startLookMs = 10;
const startWaitMs = 60_000;
const complaintBytesMax = 4096;

export class ImageContainers {
  readonly #options: ImageContainersOptions;
  #overlays: Promise<boolean> | undefined;
  #execs = 0;

  constructor(options: ImageContainersOptions) {
    this.#options = options;
  }

  /** @throws DriverError where nothing here could run an image. */
  requireProgram(image: string, cgroups: boolean): RuntimeProgram {
    const { program: only } = this.#options;
    const program = findRuntimeProgram({ cgroups, ...(only === undefined ? {} : { only }) });
    if (program) return program;
    const why =
      process.getuid?.() === 0
        ? `nothing on this device can run it: ${installWords}`
        : 'an agent that is not root cannot run it without a container engine';
    throw new DriverError('CreateContainerError', `image "${image}": ${why}`);
  }

  /** Makes all that the container needs, and tells how the shim is to start it. @throws DriverError */
  async prepare(folder: ContainerFolder, spec: ContainerSpec, cgroup: Cgroup | undefined): Promise<Words> {
    const program = this.requireProgram(spec.image, cgroup !== undefined);
    requireRunnable(spec);
    const images = await this.#options.images();
    const image = images.find(spec.image);
    if (!image) throw new DriverError('ErrImageNeverPull', `image ${spec.image} is not on this device`);
    using _reserved = images.reserve(image);
    await writeWhole(join(folder.path, 'image'), `${image.imageId} ${image.config.stopSignal}\n`);
    const layers = images.layersOf(image);
    const pod = await this.#podOf(folder);
    const process = await processOf(spec, image, { layers, hostname: pod.hostname ?? hostname() });
    const files = await makeContainerFiles(this.#options.root, { ...spec, podUid: folder.podUid });
    const given = [...spec.mounts, ...files];
    const mounts = await Promise.all([...given, ...hostNameFiles(given, existsSync)].map(withRealSource));
    const follows = mounts.some(({ propagation }) => propagation === 'rslave');
    await clearStart(folder);
    this.#overlays ??= hasOverlays(folder.path);
    const imageRoot = await makeImageRoot(folder.path, layers, { overlays: await this.#overlays, follows });
    const launch: Launch = { program, process };
    await writeWhole(join(folder.path, 'launch.json'), JSON.stringify(launch));
    const input = { spec, process, mounts, hostname: pod.hostname };
    const command =
      program.kind === 'bwrap'
        ? await bubblewrapCommand(folder, program, input)
        : await this.#bundleCommand(folder, program, { ...input, cgroup });
    return {
      command: inImageRoot(imageRoot, command),
      environment: hostEnvironment,
      cwd: folder.path,
      joinFiles: program.kind === 'runc' ? [] : (cgroup?.joinFiles ?? []),
      killFile: cgroup?.killFile ?? '',
      oomScoreAdjust: program.kind === 'bwrap' ? String(spec.resources.oomScoreAdjust ?? '') : '',
    };
  }

  /**
   * Resolves when the container's own program runs, or has run.
   * @throws DriverError `RunContainerError` when it could not be started; nothing is left of the attempt then.
   */
  async started(folder: ContainerFolder): Promise<void> {
    const { clock } = this.#options;
    const { program, process } = await readLaunch(folder);
    for (let waited = 0; waited < startWaitMs; waited += startLookMs) {
      const ended = readExit(folder) !== undefined;
      if (!ended && hasBegun(folder)) return;
      if (ended) {
        const complaint = await complaintOf(folder, program);
        if (complaint === undefined) return;
        await clearStart(folder);
        throw new DriverError('RunContainerError', explain(complaint, process.args[0] ?? ''));
      }
      await sleep(clock, startLookMs);
    }
    throw new DriverError('RunContainerError', `${program.kind} did not start the container`);
  }

  async exec(
    folder: ContainerFolder,
    { command, stdin, tty }: ExecOptions,
    { spec, joinScript, cgroup }: { spec: ContainerSpec; joinScript: string; cgroup: Cgroup | undefined },
  ): Promise<ExecProcess> {
    const { clock } = this.#options;
    const { program, process } = await readLaunch(folder);
    this.#execs += 1;
    const mark = `${folder.path}/${clock.now()}/${this.#execs}`;
    const environment = [...process.environment, `${markName}=${mark}`];
    const file = join(folder.path, `exec-${this.#execs}`);
    const own = { ...process, environment, args: command };
    if (program.kind === 'bwrap') requireExecByBubblewrap(spec.security);
    const how =
      program.kind === 'bwrap' ? besideBubblewrap(folder, own) : { ...ociProcess(own), terminal: tty };
    await writeWhole(file, typeof how === 'string' ? how : JSON.stringify(how));
    const words =
      program.kind === 'bwrap'
        ? ['/bin/sh', file]
        : [...runtimeWords(folder, program), 'exec', '--process', file, idOf(folder)];
    const joinFiles = program.kind === 'runc' ? [] : (cgroup?.joinFiles ?? []);
    const opened = await openExecProcess({
      command: '/bin/sh',
      args: ['-c', joinScript, 'flotilla-exec', joinFiles.join(' '), ...words],
      environment: hostEnvironment,
      cwd: folder.path,
      stdin,
      tty,
      clock,
    });
    void opened.exit.then(() => rm(file, { force: true }));
    const kill = () => {
      opened.kill();
      void killMarked(mark, clock);
    };
    return { ...opened, kill };
  }

  async #podOf({ podUid }: ContainerFolder): Promise<{ hostname: string | undefined }> {
    const file = join(podFolder(this.#options.root, podUid), 'sandbox.json');
    const pod = JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as Partial<SandboxSpec>;
    return { hostname: pod.hostNetwork || !pod.hostname ? undefined : pod.hostname };
  }

  async #bundleCommand(
    folder: ContainerFolder,
    program: RuntimeProgram,
    { cgroup, ...input }: RunInput & { cgroup: Cgroup | undefined },
  ): Promise<string[]> {
    const { pids } = input.spec;
    const other = typeof pids === 'object' ? containerFolder(this.#options.root, pids) : undefined;
    const otherStart = other && readStart(other);
    const pid = other && otherStart && (firstProcess(other, otherStart) ?? otherStart.pid);
    if (other && pid === undefined)
      throw new DriverError('CreateContainerError', `container ${other.container} is not running`);
    const config = ociConfig({
      ...input,
      pidNamespace: pid === undefined ? undefined : `/proc/${pid}/ns/pid`,
      cgroupsPath: program.kind === 'runc' ? cgroup?.runtimePath : undefined,
    });
    await writeWhole(join(folder.path, 'config.json'), JSON.stringify(config));
    const keep = program.kind === 'runc' ? ['--keep'] : [];
    const place = ['--bundle', folder.path, '--pid-file', join(folder.path, 'first')];
    return [...runtimeWords(folder, program), 'run', ...keep, ...place, idOf(folder)];
  }
}

interface RunInput {
  spec: ContainerSpec;
  process: ImageProcess;
  mounts: readonly ContainerMount[];
  hostname: string | undefined;
}

async function processOf(
  spec: ContainerSpec,
  { config }: UnpackedImage,
  { layers, hostname }: { layers: readonly string[]; hostname: string },
): Promise<ImageProcess> {
  const [passwd, group] = await Promise.all([
    readImageFile(layers, ['etc', 'passwd']),
    readImageFile(layers, ['etc', 'group']),
  ]);
  const user = imageUser(config.user, spec.security, { passwd, group });
  return imageProcess(spec, config, { user, hostname, lastCapability: lastCapability() });
}

function lastCapability(): number {
  return Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8'));
}

/** Links among the sources are the host's. */
async function withRealSource(mount: ContainerMount): Promise<ContainerMount> {
  return { ...mount, source: await realpath(mount.source).catch(() => mount.source) };
}

/** What an attempt that could not be started has left. */
async function clearStart({ path }: ContainerFolder): Promise<void> {
  const left = ['claim', 'pid', 'exit', 'first', 'log', 'log.times', 'runtime', 'runtime.log'];
  for (const name of left) await rm(join(path, name), { recursive: true, force: true });
}

async function readLaunch({ path }: ContainerFolder): Promise<Launch> {
  return JSON.parse(await readFile(join(path, 'launch.json'), 'utf8')) as Launch;
}

function idOf({ podUid, container, attempt }: ContainerFolder): string {
  return `${podUid}.${container}.${attempt}`;
}

function runtimeWords({ path }: ContainerFolder, program: RuntimeProgram): string[] {
  const log = ['--log', join(path, 'runtime.log'), '--log-format', 'json'];
  const cgroups = program.kind === 'crun' ? ['--cgroup-manager', 'disabled'] : [];
  return [program.path, '--root', join(path, 'runtime'), ...log, ...cgroups];
}

/** Its words and what it tells go by descriptors that the shim does not have. */
async function bubblewrapCommand(
  { path }: ContainerFolder,
  program: RuntimeProgram,
  { spec, ...input }: RunInput,
): Promise<string[]> {
  const words = bubblewrapWords(spec, input);
  await writeWhole(join(path, 'words'), words.map((word) => `${word}\0`).join(''));
  const script = 'exec 5< "$1" 6> "$2"; shift 2; exec "$@"';
  const files = [join(path, 'words'), join(path, 'first')];
  const own = [program.path, '--args', '5', '--info-fd', '6', '--', ...input.process.args];
  return ['/bin/sh', '-c', script, 'flotilla-bubblewrap', ...files, ...own];
}

/** A script for the host's shell. */
function besideBubblewrap(folder: ContainerFolder, { args, cwd, environment }: ImageProcess): string {
  const start = readStart(folder);
  const pid = start && firstProcess(folder, start);
  if (pid === undefined) throw new DriverError('NotFound', `${folder.container} is not running`);
  const namespaces = ['mnt', 'pid', 'ipc', 'uts'].map(
    (name) => `--${longNames[name] ?? name}=/proc/${pid}/ns/${name}`,
  );
  const enter = [
    systemProgram('nsenter'),
    ...namespaces,
    `--root=/proc/${pid}/root`,
    `--wd=/proc/${pid}/root${cwd}`,
  ];
  // By way of a file: other users of the host see what words a program is given.
  const variables = environment.map((text) => {
    const at = text.indexOf('=');
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  const lines = variables
    .filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    .map(([name, value]) => `export ${name}=${shellQuote(value)}`);
  return [...lines, `exec ${[...enter, '--', ...args].map(shellQuote).join(' ')}`, ''].join('\n');
}

const longNames: Readonly<Record<string, string>> = { mnt: 'mount' };

/** The runtime program has handed over to the container's own. */
function hasBegun(folder: ContainerFolder): boolean {
  const start = readStart(folder);
  const first = start && firstProcess(folder, start);
  if (!start || first === undefined) return false;
  try {
    return readlinkSync(`/proc/${first}/exe`) !== readlinkSync(`/proc/${start.pid}/exe`);
  } catch {
    return false;
  }
}

/** Undefined when the container ran, however it ended. */
async function complaintOf({ path }: ContainerFolder, program: RuntimeProgram): Promise<string | undefined> {
  if (program.kind === 'bwrap') {
    const line = (await readStartOf(join(path, 'log')))
      .split('\n')
      .find((text) => text.startsWith('bwrap: '));
    return line?.slice('bwrap: '.length);
  }
  const lines = (await readStartOf(join(path, 'runtime.log'))).split('\n');
  for (const line of lines) {
    const { level = '', msg = '' } = parseLine(line);
    if (level === 'error' || level === 'fatal') return msg;
  }
  // Before the program: the files could not be put together.
  if (existsSync(join(path, 'runtime')) || existsSync(join(path, 'first'))) return undefined;
  return (await readStartOf(join(path, 'log'))).trim() || undefined;
}

function parseLine(line: string): { level?: string; msg?: string } {
  try {
    return JSON.parse(line) as { level?: string; msg?: string };
  } catch {
    return {};
  }
}

async function readStartOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return '';
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(complaintBytesMax), 0, complaintBytesMax, 0);
  return buffer.subarray(0, bytesRead).toString();
}

/** In the words that users know, which differ from one program to the other. */
function explain(complaint: string, program: string): string {
  const missing = /not found|no such file/i.test(complaint) && complaint.includes(program);
  if (!missing) return complaint;
  const absence = program.includes('/') ? 'no such file or directory' : 'executable file not found in $PATH';
  return `exec: ${JSON.stringify(program)}: ${absence}`;
}
