import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  ConfigMap,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  Secret,
  VolumeProjection,
} from '../../protocol/generated/models.ts';
import { podField, resourceField } from '../pods/environment.ts';
import { type Payload, type PayloadFile, writePayload } from './atomic-writer.ts';
import type { PreparedVolume, VolumeContext } from './volume-plugin.ts';

/**
 * Volumes whose files come from objects: configMap, secret, downwardAPI and projected. All four are one mechanism:
 * sources become one payload, which is written in memory (the card is spared, and secrets never touch it) and
 * exchanged at one instant when a source changes.
 */
export interface ContentSource {
  configMap?: Selection & { name?: string };
  secret?: Selection & { name?: string };
  downwardAPI?: { items?: DownwardAPIVolumeFile[] };
  serviceAccountToken?: NonNullable<VolumeProjection['serviceAccountToken']>;
}

interface Selection {
  items?: KeyToPath[];
  optional?: boolean;
}

const defaultModeUnset = 0o644;
const tokenSecondsDefault = 3600;
const tokenMode = 0o600;

/** Keys of the desired set that the sources are made of. */
export function contentInputs(sources: readonly ContentSource[], { metadata }: Pod): string[] {
  const namespace = metadata?.namespace ?? '';
  return sources.flatMap(({ configMap, secret, downwardAPI, serviceAccountToken }) => [
    ...(configMap ? [`ConfigMap/${namespace}/${configMap.name ?? ''}`] : []),
    ...(secret ? [`Secret/${namespace}/${secret.name ?? ''}`] : []),
    ...(downwardAPI ? [`Pod/${metadata?.uid ?? ''}`] : []),
    ...(serviceAccountToken ? [tokenInput(serviceAccountToken)] : []),
  ]);
}

/** Not a key of the desired set: the pod's volumes look it up among the tokens. */
export const tokenInputPrefix = 'Token/';

function tokenInput({ audience = '', expirationSeconds }: NonNullable<ContentSource['serviceAccountToken']>) {
  return `${tokenInputPrefix}${expirationSeconds ?? tokenSecondsDefault}/${audience}`;
}

/** A volume that was written before stays as it is while one of its sources is missing. */
export async function prepareContent(
  sources: readonly ContentSource[],
  defaultMode: number | undefined,
  context: VolumeContext,
): Promise<PreparedVolume> {
  const path = await context.memoryFolder();
  try {
    await writePayload(path, await payloadOf(sources, defaultMode ?? defaultModeUnset, context));
  } catch (error) {
    const written = await lstat(join(path, '..data')).catch(() => undefined);
    if (!written || !(error instanceof MissingContent)) throw error;
  }
  return { path, readOnly: true };
}

class MissingContent extends Error {}

async function payloadOf(
  sources: readonly ContentSource[],
  defaultMode: number,
  context: VolumeContext,
): Promise<Payload> {
  const payload = new Map<string, PayloadFile>();
  const gid = context.pod.spec?.securityContext?.fsGroup;
  const add = (path: string, data: Uint8Array, mode: number, uid?: number) =>
    payload.set(path, gid === undefined ? { data, mode, uid } : { data, mode: mode | 0o440, uid, gid });
  for (const { configMap, secret, downwardAPI, serviceAccountToken } of sources) {
    if (configMap) addSelected(configMap, 'config', configMapData(configMap, context), defaultMode, add);
    if (secret) addSelected(secret, 'secret', secretData(secret, context), defaultMode, add);
    for (const item of downwardAPI?.items ?? [])
      add(item.path, Buffer.from(downwardValue(item, context)), item.mode ?? defaultMode);
    if (serviceAccountToken) {
      const { mode, uid } = tokenAccess(context.pod);
      add(serviceAccountToken.path, await tokenData(serviceAccountToken, context), mode, uid);
    }
  }
  return payload;
}

type Data = Readonly<Record<string, Uint8Array>>;
type Add = (path: string, data: Uint8Array, mode: number, uid?: number) => void;

function configMapData({ name = '', optional }: ContentSource['configMap'] & object, context: VolumeContext) {
  const key = `ConfigMap/${context.pod.metadata?.namespace ?? ''}/${name}`;
  const found: ConfigMap | undefined = context.node.find(key);
  if (!found) return missing(`configmap "${name}" not found`, optional);
  return {
    ...mapValues(found.data, (text) => Buffer.from(text)),
    ...mapValues(found.binaryData, (text) => Buffer.from(text, 'base64')),
  };
}

function secretData({ name = '', optional }: ContentSource['secret'] & object, context: VolumeContext) {
  const key = `Secret/${context.pod.metadata?.namespace ?? ''}/${name}`;
  const found: Secret | undefined = context.node.find(key);
  if (!found) return missing(`secret "${name}" not found`, optional);
  return mapValues(found.data, (text) => Buffer.from(text, 'base64'));
}

function missing(message: string, optional: boolean | undefined): Data {
  if (optional) return {};
  throw new MissingContent(message);
}

function mapValues(
  record: Record<string, string> | undefined,
  decode: (text: string) => Uint8Array,
): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(record ?? {}).map(([key, text]) => [key, decode(text)]));
}

function addSelected(
  { items, optional }: Selection,
  kind: 'config' | 'secret',
  data: Data,
  defaultMode: number,
  add: Add,
): void {
  if (!items?.length) {
    for (const [key, bytes] of Object.entries(data)) add(key, bytes, defaultMode);
    return;
  }
  for (const { key, path, mode } of items) {
    const bytes = Object.hasOwn(data, key) ? data[key] : undefined;
    if (bytes) add(path, bytes, mode ?? defaultMode);
    else if (!optional) throw new MissingContent(`references non-existent ${kind} key: ${key}`);
  }
}

function downwardValue(
  { fieldRef, resourceFieldRef }: DownwardAPIVolumeFile,
  context: VolumeContext,
): string {
  const { pod, node } = context;
  if (resourceFieldRef) {
    const [first] = pod.spec?.containers ?? [];
    if (!first) throw new Error('the pod has no container');
    return resourceField(resourceFieldRef, pod, first, node.allocatable());
  }
  const path = fieldRef?.fieldPath ?? '';
  if (path === 'metadata.labels') return formatMap(pod.metadata?.labels);
  if (path === 'metadata.annotations') return formatMap(pod.metadata?.annotations);
  if (!path.startsWith('metadata.')) throw new Error(`unsupported fieldPath: ${path}`);
  return podField(path, pod, { nodeName: node.name, hostIp: '', podIp: '', podIps: [] });
}

/** One `key="value"` a line, sorted, the value quoted as Go does (JSON agrees for all that labels may hold). */
function formatMap(map: Record<string, string> = {}): string {
  const keys = Object.keys(map).sort((one, other) => (one < other ? -1 : 1));
  return keys.map((key) => `${key}=${JSON.stringify(map[key])}`).join('\n');
}

async function tokenData(
  { audience = '', expirationSeconds }: NonNullable<ContentSource['serviceAccountToken']>,
  { pod, node, signal }: VolumeContext,
): Promise<Uint8Array> {
  const podUid = pod.metadata?.uid ?? '';
  const request = { podUid, audience, expirationSeconds: expirationSeconds ?? tokenSecondsDefault };
  return Buffer.from(await node.tokens.token(request, signal));
}

/** As kubelet: only the one user that all containers run as may read it; everybody when they differ. */
function tokenAccess({ spec }: Pod): { mode: number; uid?: number } {
  if (spec?.securityContext?.fsGroup !== undefined) return { mode: tokenMode };
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const users = new Set(
    containers.map(({ securityContext }) => securityContext?.runAsUser ?? spec?.securityContext?.runAsUser),
  );
  const [user] = users;
  return users.size === 1 && user !== undefined ? { mode: tokenMode, uid: user } : { mode: defaultModeUnset };
}
