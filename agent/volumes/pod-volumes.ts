import { createHash } from 'node:crypto';
import { lstat, mkdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../lib/log.ts';
import type { Pod, Volume } from '../../protocol/generated/models.ts';
import type { ContainerDevice, ContainerMount } from '../drivers/driver.ts';
import { tokenInputPrefix } from './content.ts';
import { type MemoryRoot, memoryRoot, namesIn } from './memory-root.ts';
import { mountsUnder, unmountUnder } from './mount-table.ts';
import { volumePlugins } from './registry.ts';
import { readInside, resolveSubPath } from './sub-path.ts';
import type { PreparedVolume, VolumeNode, VolumePlugin } from './volume-plugin.ts';

/**
 * The volumes of this device's pods: made before their containers start, brought up to date while those run, and
 * removed when nothing of the pod runs any more. What belongs to a pod lies in one folder on disk and one in memory,
 * each named by the pod's uid, so that whatever an agent leaves behind is found again without any record.
 */
export interface PodVolumes {
  /** '' for a pod without volumes; changes whenever `prepare` would do something else than before. */
  inputs(pod: Pod): string;
  /** Whether one of these keys of the desired set is among the pod's inputs. */
  concerns(pod: Pod, keys: ReadonlySet<string>): boolean;
  /** Makes the pod's volumes, or brings them up to date. Rejects with kubelet's words. */
  prepare(pod: Pod, signal: AbortSignal): Promise<void>;
  /** Of a pod whose volumes are prepared. Rejects with an Error when one cannot be had. */
  mounts(podUid: string, wanted: readonly WantedMount[]): Promise<ContainerMount[]>;
  /** The same for volumes that are block devices. */
  blockDevices(podUid: string, wanted: readonly WantedBlock[]): ContainerDevice[];
  /** Whether there is such a file in a volume; undefined when that cannot be told. */
  hasFile(podUid: string, place: { volume: string; file: string }): Promise<boolean | undefined>;
  /** A small text that a container left in a volume; undefined when there is no such file. Rejects with an Error. */
  readFile(podUid: string, place: { volume: string; path: string }): Promise<string | undefined>;
  /** Nothing of the pod runs any more. */
  remove(podUid: string): Promise<void>;
  /** Removes what belongs to pods that nobody knows. */
  sweep(isKnown: (podUid: string) => boolean): Promise<void>;
}

/** A volumeMount with its expressions resolved. */
export interface WantedMount {
  volume: string;
  mountPath: string;
  subPath: string;
  readOnly: boolean;
  /** What is mounted inside of the volume is read only too. */
  recursive?: boolean;
  propagation: ContainerMount['propagation'];
}

/** A volumeDevice. */
export interface WantedBlock {
  volume: string;
  devicePath: string;
}

export interface PodVolumesOptions {
  dataDir: string;
  log: Logger;
  node: VolumeNode;
  /** Tells the inputs apart; undefined when the desired set has no such object. */
  digestOf: (key: string) => string | undefined;
}

export async function openPodVolumes(options: PodVolumesOptions): Promise<PodVolumes> {
  return new DiskVolumes(options, await memoryRoot(options.dataDir));
}

const inputsLength = 16;
/** A pod's uid and a volume's name become parts of paths. */
const pathPart = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

class DiskVolumes implements PodVolumes {
  readonly #options: PodVolumesOptions;
  readonly #memory: MemoryRoot;
  readonly #diskRoot: string;
  readonly #prepared = new Map<string, Map<string, PreparedVolume>>();
  /** Opening and closing the memory root follow one another. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: PodVolumesOptions, memory: MemoryRoot) {
    this.#options = options;
    this.#memory = memory;
    this.#diskRoot = join(options.dataDir, 'volumes');
  }

  inputs(pod: Pod): string {
    const volumes = pod.spec?.volumes ?? [];
    if (volumes.length === 0) return '';
    const { digestOf } = this.#options;
    const facts = volumes.map((volume) => [
      volume,
      inputsOf(volume, pod).map((key) =>
        key.startsWith(tokenInputPrefix) ? this.#tokenDigest(key, pod) : digestOf(key),
      ),
    ]);
    const text = JSON.stringify([facts, pod.spec?.securityContext]);
    return createHash('sha256').update(text).digest('hex').slice(0, inputsLength);
  }

  concerns(pod: Pod, keys: ReadonlySet<string>): boolean {
    return (pod.spec?.volumes ?? []).some((volume) => inputsOf(volume, pod).some((key) => keys.has(key)));
  }

  async prepare(pod: Pod, signal: AbortSignal): Promise<void> {
    const uid = safePart(pod.metadata?.uid ?? '');
    const known = this.#prepared.get(uid) ?? new Map<string, PreparedVolume>();
    this.#prepared.set(uid, known);
    for (const volume of pod.spec?.volumes ?? []) {
      // The engine mounts those itself.
      if (volume.image) continue;
      try {
        known.set(volume.name, await this.#prepareOne(volume, pod, signal));
      } catch (error) {
        const words = error instanceof Error ? error.message : String(error);
        throw new Error(`MountVolume.SetUp failed for volume "${volume.name}" : ${words}`, { cause: error });
      }
    }
  }

  async mounts(podUid: string, wanted: readonly WantedMount[]): Promise<ContainerMount[]> {
    const prepared = this.#prepared.get(podUid);
    const mounts = wanted.map(async ({ volume, mountPath, subPath, readOnly, recursive, propagation }) => {
      const found = prepared?.get(volume);
      if (!found) throw new Error(`volume "${volume}" is not mounted`);
      if (found.block)
        throw new Error(`volume ${volume} has volumeMode Block, but is specified in volumeMounts`);
      const source = subPath === '' ? found.path : await resolveSubPath(found.path, subPath);
      const mount = { source, target: mountPath, readOnly: readOnly || found.readOnly, propagation };
      return [mount, ...(recursive ? await innerMounts(mount) : [])];
    });
    const resolved = (await Promise.all(mounts)).flat();
    // What is mounted inside of another mount comes after it.
    return resolved.sort((one, other) => one.target.length - other.target.length);
  }

  blockDevices(podUid: string, wanted: readonly WantedBlock[]): ContainerDevice[] {
    const prepared = this.#prepared.get(podUid);
    return wanted.map(({ volume, devicePath }) => {
      const found = prepared?.get(volume);
      if (!found?.block)
        throw new Error(`volume ${volume} has volumeMode Filesystem, but is specified in volumeDevices`);
      return { source: found.path, target: devicePath, ...(found.readOnly ? { readOnly: true } : {}) };
    });
  }

  async hasFile(
    podUid: string,
    { volume, file }: { volume: string; file: string },
  ): Promise<boolean | undefined> {
    const found = this.#prepared.get(podUid)?.get(volume);
    if (!found) return undefined;
    return lstat(join(found.path, safePart(file))).then(
      () => true,
      (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? false : undefined),
    );
  }

  async readFile(
    podUid: string,
    { volume, path }: { volume: string; path: string },
  ): Promise<string | undefined> {
    const found = this.#prepared.get(podUid)?.get(volume);
    if (!found) throw new Error(`volume "${volume}" is not mounted`);
    return readInside(found.path, path);
  }

  async remove(podUid: string): Promise<void> {
    this.#prepared.delete(podUid);
    for (const root of [this.#diskRoot, this.#memory.path]) {
      const folder = join(root, safePart(podUid));
      await unmountUnder(folder);
      await rm(folder, { recursive: true, force: true });
    }
    await this.#inTurn(() => this.#memory.close());
    await this.#options.node.tokens.forget(podUid);
  }

  async sweep(isKnown: (podUid: string) => boolean): Promise<void> {
    const folders = [...(await namesIn(this.#diskRoot)), ...(await namesIn(this.#memory.path))];
    const found = new Set([...folders, ...this.#options.node.tokens.pods()]);
    for (const uid of found) {
      if (isKnown(uid) || !pathPart.test(uid)) continue;
      this.#options.log.info('removing the volumes of an unknown pod', { pod: uid });
      await this.remove(uid);
    }
  }

  async #prepareOne(volume: Volume, pod: Pod, signal: AbortSignal): Promise<PreparedVolume> {
    const { plugin, source } = pluginOf(volume);
    if (!plugin) throw new Error(`this node cannot mount a volume of this kind: ${kindOf(volume)}`);
    const uid = safePart(pod.metadata?.uid ?? '');
    const name = safePart(volume.name);
    return plugin.prepare(source, {
      pod,
      name,
      diskFolder: join(this.#diskRoot, uid, name),
      memoryFolder: async () => {
        // The folder of the pod keeps the root from being closed.
        await this.#inTurn(async () => {
          await this.#memory.open();
          await mkdir(join(this.#memory.path, uid), { recursive: true });
        });
        return join(this.#memory.path, uid, name);
      },
      node: this.#options.node,
      signal,
    });
  }

  #tokenDigest(key: string, pod: Pod): string | undefined {
    const [seconds = '', ...audience] = key.slice(tokenInputPrefix.length).split('/');
    const podUid = pod.metadata?.uid ?? '';
    const request = { podUid, audience: audience.join('/'), expirationSeconds: Number(seconds) };
    return this.#options.node.tokens.digest(request);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

/** Engines make a mount read only, not what is mounted below it: each of those is mounted once more. */
async function innerMounts(outer: ContainerMount): Promise<ContainerMount[]> {
  const folder = await realpath(outer.source);
  const points = (await mountsUnder(folder)).filter((point) => point !== folder);
  return [...new Set(points)].map((point) => ({
    ...outer,
    source: point,
    target: join(outer.target, point.slice(folder.length)),
  }));
}

/** What stands against a volume, undefined when it can be had; asked before a pod is admitted. */
export function unknownVolume(volume: Volume): string | undefined {
  return pluginOf(volume).plugin ? undefined : kindOf(volume);
}

function kindOf(volume: Volume): string {
  return Object.keys(volume).find((key) => key !== 'name') ?? 'emptyDir';
}

function pluginOf(volume: Volume): { plugin: VolumePlugin<never> | undefined; source: never } {
  const field = kindOf(volume) as keyof Volume;
  const plugin = volumePlugins.find((one) => one.field === field);
  // Which plugin reads which field is what the registry says.
  return { plugin, source: (volume[field] ?? {}) as never };
}

function inputsOf(volume: Volume, pod: Pod): string[] {
  const { plugin, source } = pluginOf(volume);
  return plugin?.inputs?.(source, pod) ?? [];
}

function safePart(name: string): string {
  if (pathPart.test(name)) return name;
  throw new Error(`${JSON.stringify(name)} cannot be part of a path`);
}
