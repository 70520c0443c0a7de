import type { Endpoints, Service } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { endpointSliceKind } from '../../../protocol/kinds/endpoint-slice.ts';
import { endpointsKind } from '../../../protocol/kinds/endpoints.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { serviceKind } from '../../../protocol/kinds/service.ts';
import { hasClusterIp } from '../../../protocol/kinds/service-fields.ts';
import {
  controllerReference,
  objectKey,
  splitKey,
  storedMeta,
} from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { Registry } from '../../registry/registry.ts';
import { defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { isSilent } from '../node-silence.ts';
import { WriteFence } from '../write-fence.ts';
import { planSlices } from './plan-slices.ts';
import { SelectedPods } from './selected-pods.ts';
import { groupsOf, type NodeKnowledge, sliceManager, sliceMetaOf } from './service-slices.ts';
import { endpointsManager, endpointsOf } from './service-subsets.ts';
import { bySliceOwner, followSlices } from './slice-owners.ts';
import { ignoreEnding, writeSlices } from './write-slices.ts';

const zoneLabel = 'topology.kubernetes.io/zone';
/** Of a service with more pods than this the endpoints are written at most once in `writeIntervalMs`. */
const podsOfLargeService = 100;
const writeIntervalMs = 500;

/** Keeps the EndpointSlices and the Endpoints of every service with a selector equal to its pods. */
export const endpointsController = defineController({
  name: 'endpointslice',
  workers: 4,
  setup({ registry, cache, clock, follow }, enqueue) {
    const slices = cache.informer(endpointSliceKind);
    const endpoints = cache.informer(endpointsKind);
    const nodes = cache.informer(nodeKind);
    const fence = new WriteFence(slices);
    const writtenAt = new Map<string, number>();
    const selected = new SelectedPods({ cache, follow }, enqueue);
    followSlices({ follow }, slices, { manager: sliceManager, enqueue });
    follow(endpoints, ({ object }) => {
      const { namespace, name } = storedMeta(object);
      // What people write without a service is theirs; what this controller wrote goes when its service is gone.
      const isOwn = object.metadata?.labels?.[endpointsManager.label] === endpointsManager.name;
      if (isOwn || selected.services.get(namespace, name)) enqueue(objectKey(object));
    });
    follow(nodes, (change) => {
      if (change.type === 'updated' && isSilent(change.old) !== isSilent(change.object))
        selected.nodeChanged(storedMeta(change.object).name);
    });
    const knowledge: NodeKnowledge = {
      zoneOf: (node) => nodes.get(undefined, node)?.metadata?.labels?.[zoneLabel],
      isSilent(name) {
        const node = nodes.get(undefined, name);
        return node !== undefined && isSilent(node);
      },
    };

    return async (key) => {
      const { namespace = '', name } = splitKey(key);
      const service = selected.services.get(namespace, name);
      if (!service || !isSelecting(service)) {
        fence.forget(key);
        writtenAt.delete(key);
        if (!service) await removeEndpoints(registry, endpoints.get(namespace, name));
        return;
      }
      if (!fence.isOpen(key)) return WriteFence.retry;
      const pods = selected.podsOf(key);
      const waitMs = (writtenAt.get(key) ?? -Infinity) + writeIntervalMs - clock.monotonic();
      if (pods.length > podsOfLargeService && waitMs > 0) return { requeueAfterMs: waitMs };
      const meta = sliceMetaOf(service);
      const own = slices.byIndex(bySliceOwner, `${sliceManager} ${key}`);
      const plan = planSlices(groupsOf(service, pods, knowledge), own, meta);
      const reference = controllerReference(serviceKind, service);
      await writeSlices(registry, fence, plan, { key, namespace, name, meta, reference });
      await writeEndpoints(registry, endpoints.get(namespace, name), endpointsOf(service, pods, knowledge));
      writtenAt.set(key, clock.monotonic());
    };
  },
});

function isSelecting({ spec, metadata }: Readonly<Service>): boolean {
  const hasSelector = Object.keys(spec?.selector ?? {}).length > 0;
  return hasSelector && hasClusterIp(spec ?? {}) && metadata?.deletionTimestamp === undefined;
}

/** Those that somebody else wrote for a service without a selector go with it, too. */
async function removeEndpoints(registry: Registry, current: Readonly<Endpoints> | undefined): Promise<void> {
  if (!current) return;
  const { namespace = '', name, uid } = storedMeta(current);
  await registry.delete(endpointsKind, { namespace, name }, { preconditions: { uid } }).catch(ignoreGone);
}

async function writeEndpoints(
  registry: Registry,
  current: Readonly<Endpoints> | undefined,
  wanted: Pick<Endpoints, 'subsets' | 'metadata'>,
): Promise<void> {
  const { namespace = '', name = '', labels = {}, annotations = {} } = wanted.metadata ?? {};
  if (!current) {
    await registry.create(endpointsKind, wanted).catch((error: unknown) => {
      if (!isStatus(error, 'AlreadyExists')) ignoreEnding(error);
    });
    return;
  }
  const same = (object: Readonly<Endpoints>) =>
    sameValue(object.subsets ?? [], wanted.subsets ?? []) &&
    sameValue(object.metadata?.labels ?? {}, labels) &&
    sameValue(object.metadata?.annotations ?? {}, annotations);
  if (same(current)) return;
  await registry
    .mutate(endpointsKind, { namespace, name }, (draft) => {
      if (wanted.subsets?.length) draft.subsets = wanted.subsets;
      else delete draft.subsets;
      const meta = storedMeta(draft);
      meta.labels = labels;
      if (Object.keys(annotations).length > 0) meta.annotations = annotations;
      else delete meta.annotations;
    })
    .catch(ignoreGone);
}
