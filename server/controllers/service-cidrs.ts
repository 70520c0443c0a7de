import type { Condition, ServiceCIDR } from '../../protocol/generated/models.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import { serviceKind } from '../../protocol/kinds/service.ts';
import { serviceCidrKind } from '../../protocol/kinds/service-cidr.ts';
import { heldBy } from '../../protocol/kinds/service-fields.ts';
import { storedMeta, timestamp } from '../../protocol/kinds/stored-object.ts';
import type { Registry } from '../registry/registry.ts';
import { type ControllerDefinition, defineController } from './define-controller.ts';
import { ignoreGone } from './expected-failures.ts';

const finalizer = 'networking.k8s.io/service-cidr-finalizer';
/** So long after the deletion began nobody gives out addresses of the range any more (source: Kubernetes). */
const graceMs = 10_000;
/** Services that let go of their addresses meanwhile are seen then at the latest. */
const lookAgainMs = 5_000;

/** What is known of networks. */
export interface ServiceNetworkRules {
  /** The ServiceCIDR that shows the setting, which others keep. */
  configured: string;
  hasRoom: (cidr: string) => boolean;
  isOfNetwork: (cidrs: readonly string[], address: string) => boolean;
}

/**
 * Opens the ranges that clients add for services, and keeps one that is being deleted while services hold addresses of it
 * that no other range has (source: k8s.io/kubernetes/pkg/controller/servicecidrs).
 */
export function serviceCidrController(rules: ServiceNetworkRules): ControllerDefinition {
  return defineController({
    name: 'service-cidr',
    workers: 1,
    setup({ registry, cache, clock, follow }, enqueue) {
      const ranges = cache.informer(serviceCidrKind);
      follow(ranges, ({ object }) => {
        // Another one that has the same addresses may let one go that is being deleted.
        for (const { metadata } of ranges.list())
          if (metadata?.deletionTimestamp !== undefined) enqueue(metadata.name ?? '');
        enqueue(storedMeta(object).name);
      });
      follow(cache.informer(serviceKind), ({ type }) => {
        if (type === 'added') return;
        for (const { metadata } of ranges.list())
          if (metadata?.deletionTimestamp !== undefined) enqueue(metadata.name ?? '');
      });
      return async (name) => {
        const range = ranges.get(undefined, name);
        if (!range || name === rules.configured) return undefined;
        const now = clock.now();
        if (range.metadata?.deletionTimestamp === undefined)
          return open(registry, range, { rules, now: timestamp(now) });
        const others = [...ranges.list()].filter(
          ({ metadata }) => metadata?.name !== name && metadata?.deletionTimestamp === undefined,
        );
        if (await isHeld(registry, range, { others, rules })) {
          await tell(registry, range, { ...closing, lastTransitionTime: timestamp(now) });
          return { requeueAfterMs: lookAgainMs };
        }
        const leftMs = Date.parse(range.metadata.deletionTimestamp) + graceMs - now;
        if (leftMs > 0) return { requeueAfterMs: leftMs };
        return letGo(registry, range);
      };
    },
  });
}

const closing = {
  type: 'Ready',
  status: 'False',
  reason: 'Terminating',
  message:
    'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
};

async function open(
  registry: Registry,
  range: Readonly<ServiceCIDR>,
  { rules, now }: { rules: ServiceNetworkRules; now: string },
): Promise<void> {
  const { name, uid, finalizers = [] } = storedMeta(range);
  if (!finalizers.includes(finalizer))
    await registry
      .mutate(serviceCidrKind, { name }, (draft) => {
        const meta = storedMeta(draft);
        const held = meta.finalizers ?? [];
        if (meta.uid === uid && !held.includes(finalizer)) meta.finalizers = [...held, finalizer];
      })
      .catch(ignoreGone);
  const lacking = (range.spec?.cidrs ?? []).filter((cidr) => !rules.hasRoom(cidr));
  const condition =
    lacking.length === 0
      ? { status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' }
      : { status: 'False', reason: 'TooSmall', message: `${lacking.join(', ')} has no room for services` };
  await tell(registry, range, { type: 'Ready', ...condition, lastTransitionTime: now });
}

/** Writes the condition unless it says that already. */
async function tell(registry: Registry, range: Readonly<ServiceCIDR>, condition: Condition): Promise<void> {
  const { name, uid } = storedMeta(range);
  const isSaid = (of: Readonly<ServiceCIDR>) =>
    of.status?.conditions?.some((one) =>
      sameValue({ ...one, lastTransitionTime: '' }, { ...condition, lastTransitionTime: '' }),
    );
  if (isSaid(range)) return;
  const change = (draft: ServiceCIDR) => {
    if (draft.metadata?.uid !== uid || isSaid(draft)) return;
    const others = (draft.status?.conditions ?? []).filter(({ type }) => type !== condition.type);
    draft.status = { ...draft.status, conditions: [...others, condition] };
  };
  await registry.mutate(serviceCidrKind, { name }, change, { subresource: 'status' }).catch(ignoreGone);
}

/** By what the registry holds: a cache may not have seen the last address that was given out. */
async function isHeld(
  registry: Registry,
  range: Readonly<ServiceCIDR>,
  { others, rules }: { others: readonly Readonly<ServiceCIDR>[]; rules: ServiceNetworkRules },
): Promise<boolean> {
  const own = range.spec?.cidrs ?? [];
  const spare = others.flatMap(({ spec }) => spec?.cidrs ?? []);
  const { items } = await registry.list(serviceKind);
  return items
    .flatMap((service) => heldBy(service).addresses)
    .some((address) => rules.isOfNetwork(own, address) && !rules.isOfNetwork(spare, address));
}

async function letGo(registry: Registry, range: Readonly<ServiceCIDR>): Promise<void> {
  const { name, uid } = storedMeta(range);
  await registry
    .mutate(serviceCidrKind, { name }, (draft) => {
      const meta = storedMeta(draft);
      if (meta.uid === uid) meta.finalizers = (meta.finalizers ?? []).filter((one) => one !== finalizer);
    })
    .catch(ignoreGone);
}
