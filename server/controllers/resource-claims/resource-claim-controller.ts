import type {
  AllocatedDeviceStatus,
  Pod,
  ResourceClaimConsumerReference,
  ResourceResourceClaim,
  ResourceSlice,
} from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { deviceClaimProtection, podClaimNames } from '../../../protocol/kinds/pod-claims.ts';
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
    };
    parts.claims.addIndex(byPool, poolsOf);
    follow(parts.claims, ({ type, object }) => type !== 'deleted' && enqueue(objectKey(object)));
    follow(parts.pods, ({ type, object }) => {
      if (type !== 'deleted' && !hasEnded(object)) return;
      const { namespace = '' } = storedMeta(object);
      for (const { claim } of podClaimNames(object)) enqueue(`${namespace}/${claim}`);
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
}

type Claim = Readonly<ResourceResourceClaim>;

const byPool = 'resourceClaimPool';

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

async function reconcile(parts: Parts, key: string): Promise<void> {
  const { namespace = '', name } = splitKey(key);
  const claim = parts.claims.get(namespace, name);
  if (!claim) return;
  if (claim.status?.reservedFor?.length) await strikeUsers(parts, claim);
  else if (claim.status?.allocation) await deallocate(parts, claim);
  else if (isProtectedForNothing(claim)) await unprotect(parts, claim);
  await removeWithPod(parts, claim);
  await showDevices(parts, claim);
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

/** Asked of the store where the cache does not know the pod: it may be behind. */
async function isGone(
  { pods, registry }: Parts,
  namespace: string,
  { resource, name, uid }: ResourceClaimConsumerReference,
): Promise<boolean> {
  if (resource !== 'pods') return false;
  const known = pods.getByUid(uid);
  if (known) return hasEnded(known);
  try {
    const pod = await registry.get<Pod>(podKind, { namespace, name });
    return pod.metadata?.uid !== uid || hasEnded(pod);
  } catch (error) {
    if (isStatus(error, 'NotFound')) return true;
    throw error;
  }
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
