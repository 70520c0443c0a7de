import type {
  DeviceRequestAllocationResult,
  ResourceClaimConsumerReference,
  ResourceResourceClaim,
} from '../../../protocol/generated/models.ts';
import { consumersMax, deviceClaimProtection, podClaimNames } from '../../../protocol/kinds/pod-claims.ts';
import { resourceClaimKind } from '../../../protocol/kinds/resource-claim.ts';
import { controllerOf, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { matchesNodeTerm } from '../../../protocol/node-selection.ts';
import type { Registry } from '../../registry/registry.ts';
import { type Allocation, allocate, deviceKey } from '../devices/allocate.ts';
import { KnownDevices } from '../devices/known-devices.ts';
import type { NodeState } from '../node-state.ts';
import { definePlugin, type PluginContext } from '../plugin.ts';
import type { PodRequest } from '../pod-request.ts';

const noneLeft = 'cannot allocate all claims';

/**
 * Devices that pods claim (resource.k8s.io): a pod goes where its claims are, or where all that are not allocated yet
 * can be. The devices are chosen when the pod is about to be bound, written into the claims, and the pod is noted there
 * as a user; who takes that back is the resource-claim controller.
 */
export const dynamicResources = definePlugin({
  name: 'DynamicResources',
  open(context) {
    const devices = new KnownDevices(context.cache);
    retryWithNews(devices, context);
    return {
      judge(pod) {
        if (!pod.pod.spec?.resourceClaims?.length) return undefined;
        const claims = claimsOf(pod, devices);
        if ('refused' in claims) return { filter: () => claims.refused };
        return {
          ...placesOf(claims.allocated),
          filter: (node) => refusalOf(claims, node, devices),
        };
      },
      async beforeBinding(pod, node) {
        if (!pod.pod.spec?.resourceClaims?.length) return;
        const claims = claimsOf(pod, devices);
        if ('refused' in claims) throw new Error(claims.refused);
        const found = claims.pending.length === 0 ? [] : allocateOn(node, claims.pending, devices);
        if (!found) throw new Error(`${noneLeft} on ${node.name} any more`);
        // Nobody else may be given them while the claims are written.
        claims.pending.forEach((claim, index) => {
          devices.giveOut((found[index] ?? []).map(deviceKey), storedMeta(claim).uid);
        });
        await writeAll({ registry: context.registry, devices, pod, node }, claims, found);
      },
    };
  },
});

type Claim = Readonly<ResourceResourceClaim>;

interface Claims {
  allocated: readonly Claim[];
  pending: readonly Claim[];
}

function claimsOf(pod: PodRequest, devices: KnownDevices): Claims | { refused: string } {
  const named = podClaimNames(pod.pod);
  const unmade = pod.pod.spec?.resourceClaims?.find(({ name }) => !named.some((one) => one.name === name));
  if (unmade) return { refused: `waiting for resource claim "${unmade.name}" to be created` };
  const found: Claim[] = [];
  for (const { claim: name } of named) {
    const claim = devices.claims.get(pod.namespace, name);
    if (!claim) return { refused: `resourceclaim "${name}" not found` };
    const refused = problemOf(claim, pod, devices);
    if (refused !== undefined) return { refused };
    if (!found.includes(claim)) found.push(claim);
  }
  return {
    allocated: found.filter(({ status }) => status?.allocation),
    pending: found.filter(({ status }) => !status?.allocation),
  };
}

function problemOf(claim: Claim, { pod, uid }: PodRequest, devices: KnownDevices): string | undefined {
  const { name, deletionTimestamp } = storedMeta(claim);
  if (deletionTimestamp !== undefined) return `resourceclaim "${name}" is being deleted`;
  const owner = controllerOf(claim);
  if (owner?.kind === 'Pod' && owner.uid !== uid)
    return `ResourceClaim ${pod.metadata?.namespace}/${name} was not created for pod ${pod.metadata?.namespace}/${pod.metadata?.name} (pod is not owner)`;
  if (claim.status?.allocation) {
    const users = claim.status.reservedFor ?? [];
    return users.length >= consumersMax && !users.some((user) => user.uid === uid)
      ? 'resourceclaim in use'
      : undefined;
  }
  for (const request of claim.spec?.devices?.requests ?? []) {
    for (const one of request.exactly ? [request.exactly] : (request.firstAvailable ?? [])) {
      const problem = devices.problemOf(one);
      if (problem !== undefined) return `claim ${name}: request ${request.name}: ${problem}`;
    }
  }
  return undefined;
}

/** Allocations of this project's drivers name one node. */
function placesOf(allocated: readonly Claim[]): { onlyNodes?: readonly string[] } {
  for (const { status } of allocated) {
    const node = nodeOf(status?.allocation?.nodeSelector);
    if (node !== undefined) return { onlyNodes: [node] };
  }
  return {};
}

type NodeSelector = NonNullable<
  NonNullable<NonNullable<ResourceResourceClaim['status']>['allocation']>['nodeSelector']
>;

function nodeOf(selector: NodeSelector | undefined): string | undefined {
  const [term, ...rest] = selector?.nodeSelectorTerms ?? [];
  const field = term?.matchFields?.[0];
  const single = rest.length === 0 && field?.key === 'metadata.name' && field.operator === 'In';
  return single && field.values?.length === 1 ? field.values[0] : undefined;
}

function refusalOf(
  { allocated, pending }: Claims,
  node: NodeState,
  devices: KnownDevices,
): string | undefined {
  for (const { status } of allocated) {
    const selector = status?.allocation?.nodeSelector;
    if (selector && !selector.nodeSelectorTerms.some((term) => matchesNodeTerm(term, node)))
      return 'resourceclaim not available on the node';
  }
  return pending.length === 0 || allocateOn(node, pending, devices) ? undefined : noneLeft;
}

function allocateOn(
  node: NodeState,
  claims: readonly Claim[],
  devices: KnownDevices,
): Allocation | undefined {
  return allocate({
    claims,
    isTaken: (device) => devices.isTaken(device),
    candidates: (request) => devices.candidates(node.name, request),
  });
}

interface Writing {
  registry: Registry;
  devices: KnownDevices;
  pod: PodRequest;
  node: NodeState;
}

/** On a failure, what was given out is free again but for the claims that have it in writing. */
async function writeAll(writing: Writing, { allocated, pending }: Claims, found: Allocation): Promise<void> {
  try {
    for (const claim of allocated) await writeClaim(writing, claim, undefined);
    for (const [index, claim] of pending.entries()) await writeClaim(writing, claim, found[index]);
  } catch (error) {
    for (const claim of pending) writing.devices.forget(storedMeta(claim).uid);
    throw error;
  }
}

async function writeClaim(
  { registry, pod, node }: Writing,
  claim: Claim,
  results: DeviceRequestAllocationResult[] | undefined,
): Promise<void> {
  const { namespace = '', name, uid } = storedMeta(claim);
  const at = { namespace, name };
  const user: ResourceClaimConsumerReference = {
    resource: 'pods',
    name: pod.pod.metadata?.name ?? '',
    uid: pod.uid,
  };
  await registry.mutate<ResourceResourceClaim>(resourceClaimKind, at, (draft) => {
    const { metadata = {} } = draft;
    if (metadata.uid !== uid) throw new Error(`claim ${namespace}/${name} is another one now`);
    if (metadata.finalizers?.includes(deviceClaimProtection)) return;
    metadata.finalizers = [...(metadata.finalizers ?? []), deviceClaimProtection];
  });
  const change = (draft: ResourceResourceClaim) => {
    const status = (draft.status ??= {});
    if (draft.metadata?.uid !== uid || draft.metadata.deletionTimestamp !== undefined)
      throw new Error(`claim ${namespace}/${name} is gone or going`);
    if (Boolean(status.allocation) === Boolean(results))
      throw new Error(`claim ${namespace}/${name} has changed meanwhile`);
    if (results) status.allocation = allocationOf(claim, results, node.name);
    const users = status.reservedFor ?? [];
    if (!users.some((one) => one.uid === user.uid)) status.reservedFor = [...users, user];
  };
  await registry.mutate<ResourceResourceClaim>(resourceClaimKind, at, change, { subresource: 'status' });
}

function allocationOf({ spec }: Claim, results: DeviceRequestAllocationResult[], node: string) {
  const config = (spec?.devices?.config ?? []).map((one) => ({ ...one, source: 'FromClaim' }));
  const field = { key: 'metadata.name', operator: 'In', values: [node] };
  return {
    devices: { results, ...(config.length > 0 ? { config } : {}) },
    nodeSelector: { nodeSelectorTerms: [{ matchFields: [field] }] },
  };
}

/** Slices that offer more, classes, and claims that came, changed or went may let waiting pods go. */
function retryWithNews(devices: KnownDevices, { retry }: PluginContext): void {
  const claimsAny = ({ pod }: PodRequest) => (pod.spec?.resourceClaims?.length ?? 0) > 0;
  devices.slices.onChange(({ type }) => void (type !== 'deleted' && retry(claimsAny)));
  devices.classes.onChange(({ type }) => void (type !== 'deleted' && retry(claimsAny)));
  devices.claims.onChange((change) => {
    const before = change.type === 'updated' ? change.old.status?.allocation : undefined;
    const freed = change.type === 'deleted' || (before && !change.object.status?.allocation);
    if (freed) return retry(claimsAny);
    const { namespace, name } = storedMeta(change.object);
    retry(
      (waiting) =>
        waiting.namespace === namespace && podClaimNames(waiting.pod).some(({ claim }) => claim === name),
    );
  });
}
