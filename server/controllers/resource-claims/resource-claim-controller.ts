import type {
  AllocatedDeviceStatus,
  Pod,
  ResourceClaimConsumerReference,
  ResourceResourceClaim,
  ResourceSlice,
} from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { consumersMax, deviceClaimProtection, podClaimNames } from '../../../protocol/kinds/pod-claims.ts';
import { resourceClaimKind } from '../../../protocol/kinds/resource-claim.ts';
import { resourceSliceKind } from '../../../protocol/kinds/resource-slice.ts';
import {
  controllerOf,
  objectKey,
  splitKey,
  storedMeta,
  timestamp,
} from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { Informer } from '../../cache/informer.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';

/**
 * Gives devices back: pods that are gone or have ended are struck from the users of their claims, a claim without users
 * loses its devices, one made for a pod that has ended goes with it. It also shows in a claim which of its devices is
 * there.
 */
export const resourceClaimController = defineController({
  name: 'resource-claims',
  workers: 4,
  setup(context, enqueue) {
    const { cache, follow } = context;
    const parts: Parts = {
      ...context,
      pods: cache.informer(podKind),
      claims: cache.informer(resourceClaimKind),
      slices: cache.informer(resourceSliceKind),
      unplacedSince: new Map(),
    };
    parts.claims.addIndex(byPool, poolsOf);
    parts.pods.addIndex(byDeviceClaim, claimKeysOf);
    follow(parts.claims, ({ type, object }) => type !== 'deleted' && enqueue(objectKey(object)));
    follow(parts.pods, ({ type, object }) => {
      if (type !== 'deleted' && !hasEnded(object) && !object.spec?.nodeName) return;
      for (const key of claimKeysOf(object)) enqueue(key);
    });
    follow(parts.slices, ({ object: { spec } }) => {
      for (const claim of parts.claims.byIndex(byPool, poolKey(spec.driver, spec.pool.name)))
        enqueue(objectKey(claim));
    });
    return (key) => reconcile(parts, key).catch(ignoreGone);
  },
});

interface Parts extends ControllerContext {
  pods: Informer<Pod>;
  claims: Informer<ResourceResourceClaim>;
  slices: Informer<ResourceSlice>;
  /** Users that are on no node, by uid: since when that was seen, monotonic. */
  unplacedSince: Map<string, number>;
}

type Claim = Readonly<ResourceResourceClaim>;

const byPool = 'resourceClaimPool';
const byDeviceClaim = 'deviceClaim';
/** A pod is bound right after its claims are written: one that is not by then shall hold no devices. */
const bindingMsMax = 60_000;

function claimKeysOf(pod: Readonly<Pod>): string[] {
  return podClaimNames(pod).map(({ claim }) => `${pod.metadata?.namespace ?? ''}/${claim}`);
}

function poolKey(driver: string, pool: string): string {
  return `${driver}/${pool}`;
}

function poolsOf({ status }: Claim): string[] {
  const results = status?.allocation?.devices?.results ?? [];
  return [...new Set(results.map(({ driver, pool }) => poolKey(driver, pool)))];
}

function hasEnded({ status }: Readonly<Pod>): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

async function reconcile(parts: Parts, key: string): Promise<{ requeueAfterMs?: number } | void> {
  const { namespace = '', name } = splitKey(key);
  const claim = parts.claims.get(namespace, name);
  if (!claim) return;
  if (claim.status?.reservedFor?.length) await strikeUsers(parts, claim);
  else if (claim.status?.allocation) await deallocate(parts, claim);
  else if (isProtectedForNothing(claim)) await unprotect(parts, claim);
  await addUsers(parts, claim);
  await removeWithPod(parts, claim);
  await showDevices(parts, claim);
  const waits = (claim.status?.reservedFor ?? []).some(({ uid }) => parts.unplacedSince.has(uid));
  return waits ? { requeueAfterMs: bindingMsMax } : undefined;
}

/** Pods that somebody bound without asking the scheduler may share what is allocated on their node. */
async function addUsers(parts: Parts, claim: Claim): Promise<void> {
  const { allocation, reservedFor = [] } = claim.status ?? {};
  if (!allocation || claim.metadata?.deletionTimestamp !== undefined) return;
  const nodes = new Set((allocation.devices?.results ?? []).map(({ pool }) => pool));
  const missing = parts.pods
    .byIndex(byDeviceClaim, objectKey(claim))
    .filter((pod) => nodes.has(pod.spec?.nodeName ?? '') && !hasEnded(pod))
    .filter((pod) => !reservedFor.some(({ uid }) => uid === storedMeta(pod).uid));
  if (missing.length === 0) return;
  await changeStatus(parts, claim, (status) => {
    if (!status.allocation) return;
    const users = status.reservedFor ?? [];
    const fresh = missing
      .map((pod) => ({ resource: 'pods', name: storedMeta(pod).name, uid: storedMeta(pod).uid }))
      .filter(({ uid }) => !users.some((user) => user.uid === uid));
    status.reservedFor = [...users, ...fresh].slice(0, consumersMax);
  });
}

async function strikeUsers(parts: Parts, claim: Claim): Promise<void> {
  const { namespace = '' } = storedMeta(claim);
  const users = claim.status?.reservedFor ?? [];
  const gone = new Set<string>();
  for (const user of users) if (await isGone(parts, namespace, user)) gone.add(user.uid);
  if (gone.size === 0) return;
  await changeStatus(parts, claim, (status) => {
    const left = (status.reservedFor ?? []).filter(({ uid }) => !gone.has(uid));
    status.reservedFor = left;
    if (left.length > 0) return;
    delete status.allocation;
    delete status.devices;
  });
}

/**
 * Asked of the store where the cache does not know the pod: it may be behind. A pod that has been on no node for long
 * is as good as gone: its binding has failed, and the scheduler will choose anew.
 */
async function isGone(
  parts: Parts,
  namespace: string,
  { resource, name, uid }: ResourceClaimConsumerReference,
): Promise<boolean> {
  if (resource !== 'pods') return false;
  const { unplacedSince, clock } = parts;
  const pod = parts.pods.getByUid(uid) ?? (await findPod(parts, { namespace, name }));
  const isPlaced = pod?.spec?.nodeName !== undefined;
  if (!pod || pod.metadata?.uid !== uid || isPlaced || hasEnded(pod)) {
    unplacedSince.delete(uid);
    return !isPlaced || hasEnded(pod) || pod.metadata?.uid !== uid;
  }
  const sinceMs = unplacedSince.get(uid) ?? clock.monotonic();
  if (clock.monotonic() - sinceMs < bindingMsMax) {
    unplacedSince.set(uid, sinceMs);
    return false;
  }
  unplacedSince.delete(uid);
  return true;
}

function findPod({ registry }: Parts, at: { namespace: string; name: string }): Promise<Pod | undefined> {
  return registry.get<Pod>(podKind, at).catch((error: unknown) => {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  });
}

/** Only where still nobody uses it: the scheduler may just be adding somebody. */
async function deallocate(parts: Parts, claim: Claim): Promise<void> {
  await changeStatus(parts, claim, (status) => {
    if (status.reservedFor?.length) return;
    delete status.allocation;
    delete status.devices;
  });
}

/** The scheduler protects a claim before it allocates it, so only one that is to go is given up. */
function isProtectedForNothing({ metadata, status }: Claim): boolean {
  const protectedNow = metadata?.finalizers?.includes(deviceClaimProtection) ?? false;
  return protectedNow && metadata?.deletionTimestamp !== undefined && !status?.allocation;
}

async function unprotect({ registry }: Parts, claim: Claim): Promise<void> {
  const { namespace = '', name, uid } = storedMeta(claim);
  await registry.mutate<ResourceResourceClaim>(resourceClaimKind, { namespace, name }, (draft) => {
    const { metadata = {} } = draft;
    if (metadata.uid !== uid || !isProtectedForNothing(draft)) return;
    metadata.finalizers = (metadata.finalizers ?? []).filter((one) => one !== deviceClaimProtection);
  });
}

async function removeWithPod({ pods, registry }: Parts, claim: Claim): Promise<void> {
  const owner = controllerOf(claim);
  const pod = owner?.kind === 'Pod' ? pods.getByUid(owner.uid) : undefined;
  const { namespace = '', name, uid, deletionTimestamp } = storedMeta(claim);
  if (!pod || !hasEnded(pod) || deletionTimestamp !== undefined) return;
  await registry.delete(resourceClaimKind, { namespace, name }, { preconditions: { uid } });
}

/** A device that its node does not offer any more has been unplugged. */
async function showDevices(parts: Parts, claim: Claim): Promise<void> {
  const now = timestamp(parts.clock.now());
  await changeStatus(parts, claim, (status) => {
    const results = status.allocation?.devices?.results;
    if (!results) return;
    const before = status.devices ?? [];
    const shown = results.map(({ driver, pool, device }): AllocatedDeviceStatus => {
      const known = before.find((one) => one.driver === driver && one.pool === pool && one.device === device);
      const present = parts.slices
        .get(undefined, `${pool}-${driver}`)
        ?.spec.devices?.some((one) => one.name === device);
      const base = known ?? { driver, pool, device };
      const others = (base.conditions ?? []).filter(({ type }) => type !== 'Ready');
      const old = base.conditions?.find(({ type }) => type === 'Ready');
      const value = present ? 'True' : 'False';
      if (old?.status === value) return base;
      const reason = present ? 'DevicePresent' : 'DeviceGone';
      const message = present
        ? 'the device is there'
        : 'the device is not there: it was unplugged or has failed';
      return {
        ...base,
        conditions: [...others, { type: 'Ready', status: value, reason, message, lastTransitionTime: now }],
      };
    });
    if (!sameValue(shown, before)) status.devices = shown;
  });
}

async function changeStatus(
  { registry }: Parts,
  claim: Claim,
  change: (status: NonNullable<ResourceResourceClaim['status']>) => void,
): Promise<void> {
  const { namespace = '', name, uid } = storedMeta(claim);
  const edit = (draft: ResourceResourceClaim) => {
    if (draft.metadata?.uid === uid) change((draft.status ??= {}));
  };
  await registry.mutate<ResourceResourceClaim>(resourceClaimKind, { namespace, name }, edit, {
    subresource: 'status',
  });
}
