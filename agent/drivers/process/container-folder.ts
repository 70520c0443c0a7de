import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerHandle, ContainerSpec, SandboxHandle } from '../driver.ts';
import { DriverError } from '../errors.ts';
import { type ProcessIdentity, readProcessStat } from '../process-identity.ts';

/**
 * What is on disk about a host process. All of it must make sense after the agent was killed at any instant; after
 * a power cut it may be torn, which reads as absent.
 *
 *   <stateDir>/process/<pod uid>/sandbox.json                     SandboxSpec
 *                                work/                            working directory unless the pod names one
 *                                containers/<name>/<attempt>/
 *                                  spec.json                      ContainerSpec; holds secrets, so only we may read it
 *                                  claim                          a shim was started
 *                                  pid                            "<pid> <start ticks> <boot id> <shim pid>"; its mtime: started
 *                                  exit                           "<exit code>" or "unknown"; its mtime: finished
 *                                  tmp/                           its /tmp
 *                                  termination-log                what it says in the end
 *                                  log, log.times                 see container-log.ts
 */
export interface ContainerFolder {
  readonly path: string;
  readonly podUid: string;
  readonly container: string;
  readonly attempt: number;
}

export interface StartRecord extends ProcessIdentity {
  shimPid: number;
  startedAtMs: number;
}

export interface ExitRecord {
  /** Undefined when nobody saw the end. */
  exitCode: number | undefined;
  finishedAtMs: number;
}

/** Names become parts of paths here and of control groups; Kubernetes' own names all pass. */
const pathPart = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

export function podFolder(root: string, podUid: string): string {
  return join(root, safePart(podUid));
}

export function containerFolder(
  root: string,
  { podUid, container, attempt }: Pick<ContainerHandle, 'podUid' | 'container' | 'attempt'>,
): ContainerFolder {
  const path = join(podFolder(root, podUid), 'containers', safePart(container), safePart(String(attempt)));
  return { path, podUid, container, attempt };
}

/** Of its control group, below the agent's. */
export function cgroupPath({ podUid, container, attempt }: ContainerFolder): string {
  return `${podUid}/${container}-${attempt}`;
}

function safePart(name: string): string {
  if (pathPart.test(name)) return name;
  throw new DriverError('CreateContainerConfigError', `${JSON.stringify(name)} cannot be part of a path`);
}

/** Everything under `root`, also folders whose files are torn. */
export async function listFolders(root: string): Promise<{ pods: string[]; containers: ContainerFolder[] }> {
  const pods = (await namesIn(root)).filter((name) => pathPart.test(name));
  const containers: ContainerFolder[] = [];
  for (const podUid of pods)
    for (const container of await namesIn(join(root, podUid, 'containers')))
      for (const attempt of await namesIn(join(root, podUid, 'containers', container)))
        if (/^\d+$/.test(attempt) && pathPart.test(container))
          containers.push(containerFolder(root, { podUid, container, attempt: Number(attempt) }));
  return { pods, containers };
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

/** Whole or not at all, readable only by us. */
export async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

export async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
}

/** Undefined when there is none; throws DriverError for one that a power cut tore. */
export async function readSpec(folder: ContainerFolder): Promise<ContainerSpec | undefined> {
  const text = await readFile(join(folder.path, 'spec.json'), 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    // An earlier agent wrote none.
    return { mounts: [], security: {}, ...(JSON.parse(text) as Omit<ContainerSpec, 'mounts' | 'security'>) };
  } catch (cause) {
    throw new DriverError('RunContainerError', `${folder.path}/spec.json is damaged`, { cause });
  }
}

/** What the shim wrote when it started the process. */
export function readStart(folder: ContainerFolder): StartRecord | undefined {
  const line = readLine(join(folder.path, 'pid'));
  const [pid, startTicks, bootId, shimPid] = line?.text.split(' ') ?? [];
  if (line === undefined || bootId === undefined || shimPid === undefined) return undefined;
  return {
    pid: Number(pid),
    startTicks: Number(startTicks),
    bootId,
    shimPid: Number(shimPid),
    startedAtMs: line.writtenAtMs,
  };
}

/** Id of the image that the container has its files from, '' for one of the host; and how it wants to be ended. */
export function imageOf(folder: ContainerFolder): { imageId: string; stopSignal: string } {
  const [imageId = '', stopSignal = ''] = readLine(join(folder.path, 'image'))?.text.split(' ') ?? [];
  return { imageId, stopSignal };
}

/** The first process of a container with an image: a child of the runtime program, which told its number. */
export function firstProcess(folder: ContainerFolder, start: StartRecord): number | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder.path, 'first'), 'utf8');
  } catch {
    return undefined;
  }
  const pid = Number(/(?:^|"child-pid":\s*)(\d+)/.exec(text)?.[1] ?? Number.NaN);
  return readProcessStat(pid)?.parentPid === start.pid ? pid : undefined;
}

export function readExit(folder: ContainerFolder): ExitRecord | undefined {
  const line = readLine(join(folder.path, 'exit'));
  if (line === undefined) return undefined;
  const exitCode = /^\d+$/.test(line.text) ? Number(line.text) : undefined;
  return { exitCode, finishedAtMs: line.writtenAtMs };
}

/** Remembers that nobody saw the end, so that it is told the same way ever after, or once more where the disk is full. */
export function recordUnknownExit(folder: ContainerFolder, nowMs: number): ExitRecord {
  try {
    writeFileSync(join(folder.path, 'exit'), 'unknown\n', { mode: 0o600 });
  } catch {
    return { exitCode: undefined, finishedAtMs: nowMs };
  }
  return readExit(folder) ?? { exitCode: undefined, finishedAtMs: nowMs };
}

/** The file's only line; undefined until it is complete. */
function readLine(file: string): { text: string; writtenAtMs: number } | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    if (!text.endsWith('\n')) return undefined;
    return { text: text.trim(), writtenAtMs: Math.round(statSync(file).mtimeMs) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export function containerHandle(folder: ContainerFolder): ContainerHandle {
  const { podUid, container, attempt } = folder;
  return {
    driver: 'process',
    podUid,
    container,
    attempt,
    id: `${podUid}/${container}/${attempt}`,
    data: {},
  };
}

export function sandboxHandle(podUid: string): SandboxHandle {
  return { driver: 'process', podUid, id: podUid, data: {} };
}
