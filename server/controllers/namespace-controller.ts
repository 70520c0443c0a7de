import { forEachLimited } from '../../lib/for-each-limited.ts';
import type { Namespace, NamespaceCondition } from '../../protocol/generated/models.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { eventKind } from '../../protocol/kinds/event.ts';
import { resourcesOf, withoutVersions } from '../../protocol/kinds/kind-set.ts';
import { namespaceKind } from '../../protocol/kinds/namespace.ts';
import { storedMeta, timestamp } from '../../protocol/kinds/stored-object.ts';
import type { Informer } from '../cache/informer.ts';
import type { Registry } from '../registry/registry.ts';
import { type ControllerContext, defineController } from './define-controller.ts';
import { ignoreGone, messageOf } from './expected-failures.ts';
import { nameOf } from './object-name.ts';

const finalizer = 'kubernetes';
const pageSize = 500;
const deletesAtOnce = 16;
/** What is left says by its own deletion when it is gone; this is for what was missed. */
const lookAgainMs = 60_000;
/** Everything that was left went while it was looked at, or is too new for the cache. */
const lookAgainSoonMs = 100;
/** A server that does not answer may keep something in the namespace. */
const askAgainMs = 5_000;

/**
 * Empties a namespace that is being deleted, then lets it go. The registry takes nothing new into such a namespace,
 * so content that is gone stays gone; what has to be waited for (pods in their grace, finalizers) is remembered by
 * uid, and the last of it to go queues the namespace again.
 */
export const namespaceController = defineController({
  name: 'namespace',
  everywhere: true,
  workers: 2,
  setup(context, enqueue) {
    const { cache, kinds, follow, followKinds } = context;
    const namespaces = cache.informer(namespaceKind);
    const informers = new Map<string, Informer<KubernetesObject>>();
    const awaited = new Map<string, Set<string>>();
    follow(namespaces, ({ type, object }) => {
      const { name, deletionTimestamp } = storedMeta(object);
      if (type === 'deleted') awaited.delete(name);
      else if (deletionTimestamp !== undefined) enqueue(name);
    });
    const watch = (kind: KindDefinition) => {
      // Events hold nothing up, and nobody else needs a copy of them.
      if (!kind.namespaced || isEventKind(kind) || !kind.verbs.includes('watch')) return;
      const informer = cache.informer(kind);
      if (informers.get(resourceOf(kind)) === informer) return;
      informers.set(resourceOf(kind), informer);
      follow(informer, ({ type, object }) => {
        const { namespace = '', uid } = storedMeta(object);
        const left = type === 'deleted' ? awaited.get(namespace) : undefined;
        if (left?.delete(uid) && left.size === 0) enqueue(namespace);
      });
    };
    for (const kind of kinds) watch(kind);
    followKinds(({ added, removed }) => {
      added.forEach(watch);
      for (const kind of withoutVersions(removed, kinds)) informers.delete(resourceOf(kind));
    });

    return async (name) => {
      const namespace = namespaces.get(undefined, name);
      if (!namespace || !isWaiting(namespace)) return undefined;
      const emptied = await empty(context, name);
      const { left } = emptied;
      if (isNothingLeft(emptied)) return release(context.registry, namespace);
      await tellLeftovers(context, namespace, emptied);
      if (left.length === 0) return { requeueAfterMs: askAgainMs };
      const present = left
        .map(({ kind, object }) => informers.get(resourceOf(kind))?.getByUid(storedMeta(object).uid))
        .filter((object) => object !== undefined);
      awaited.set(name, new Set(present.map((object) => storedMeta(object).uid)));
      return { requeueAfterMs: present.length > 0 ? lookAgainMs : lookAgainSoonMs };
    };
  },
});

function resourceOf({ group, plural }: KindDefinition): string {
  return `${group}/${plural}`;
}

function isEventKind({ group, plural }: KindDefinition): boolean {
  return group === eventKind.group && plural === eventKind.plural;
}

interface Leftover {
  kind: KindDefinition;
  object: KubernetesObject;
}

/** What came of emptying a namespace. */
interface Emptied {
  left: readonly Leftover[];
  /** Group versions of which nobody can say now what they hold. */
  silent: readonly string[];
  /** What could not be deleted, in words. */
  failures: readonly string[];
}

function isNothingLeft({ left, silent, failures }: Emptied): boolean {
  return left.length + silent.length + failures.length === 0;
}

/** One kind that fails keeps no other from being emptied. */
async function empty({ registry, kinds, silent, log }: ControllerContext, name: string): Promise<Emptied> {
  const left: Leftover[] = [];
  const failures: string[] = [];
  for (const kind of resourcesOf(kinds).filter(({ namespaced }) => namespaced)) {
    if (silent().includes(`${kind.group}/${kind.version}`)) continue;
    try {
      left.push(...(await emptyOf(registry, kind, name)));
    } catch (error) {
      log.warn('kind not emptied', { namespace: name, kind: resourceOf(kind), error });
      failures.push(messageOf(error));
    }
  }
  return { left, failures, silent: silent() };
}

function isWaiting(namespace: Readonly<Namespace>): boolean {
  return (
    namespace.metadata?.deletionTimestamp !== undefined &&
    (namespace.spec?.finalizers ?? []).includes(finalizer)
  );
}

/** Asks for the deletion of every object of `kind`; returns those that are still there. */
async function emptyOf(registry: Registry, kind: KindDefinition, namespace: string): Promise<Leftover[]> {
  const left: Leftover[] = [];
  let next: string | undefined;
  do {
    const from = next === undefined ? {} : { continue: next };
    const page = await registry.list(kind, { namespace, limit: pageSize, ...from });
    await forEachLimited(page.items, deletesAtOnce, async (item) => {
      const object = await deleteOne(registry, kind, item);
      if (object) left.push({ kind, object });
    });
    next = page.continue;
  } while (next !== undefined);
  return left;
}

/** The object as it waits for its end; undefined when it is gone. */
async function deleteOne(
  registry: Registry,
  kind: KindDefinition,
  object: KubernetesObject,
): Promise<KubernetesObject | undefined> {
  const { uid, deletionTimestamp } = storedMeta(object);
  if (deletionTimestamp !== undefined) return object;
  const preconditions = { uid };
  const deleted = await registry
    .delete(kind, nameOf(object), { preconditions, propagationPolicy: 'Background' })
    .catch(ignoreGone);
  return deleted?.metadata?.deletionTimestamp === undefined ? undefined : deleted;
}

async function release(registry: Registry, namespace: Readonly<Namespace>): Promise<void> {
  const { name, uid } = storedMeta(namespace);
  await registry
    .mutate(
      namespaceKind,
      { name },
      (draft) => {
        if (draft.metadata?.uid !== uid) return;
        const others = (draft.spec?.finalizers ?? []).filter((entry) => entry !== finalizer);
        draft.spec = { ...draft.spec, finalizers: others };
      },
      { subresource: 'finalize' },
    )
    .catch(ignoreGone);
}

/** Says on the namespace what it waits for, in Kubernetes' words. */
async function tellLeftovers(
  { registry, clock }: ControllerContext,
  namespace: Readonly<Namespace>,
  emptied: Emptied,
): Promise<void> {
  const now = timestamp(clock.now());
  const conditions = conditionsOf(emptied).map((condition) => ({ ...condition, lastTransitionTime: now }));
  const before = namespace.status?.conditions ?? [];
  const told = conditions.map((condition) => {
    const old = before.find(({ type }) => type === condition.type);
    return old ? { ...condition, lastTransitionTime: old.lastTransitionTime ?? now } : condition;
  });
  const change = (draft: Namespace) => {
    if (draft.metadata?.uid === namespace.metadata?.uid) draft.status = { ...draft.status, conditions: told };
  };
  await registry
    .mutate(namespaceKind, nameOf(namespace), change, { subresource: 'status' })
    .catch(ignoreGone);
}

/** Source: k8s.io/kubernetes/pkg/controller/namespace/deletion, the types, reasons and messages. */
function conditionsOf({ left, silent, failures }: Emptied): NamespaceCondition[] {
  const conditions: NamespaceCondition[] = [];
  const add = (type: string, reason: string, message: string) =>
    void conditions.push({ type, status: 'True', reason, message });
  if (silent.length > 0) {
    const list = silent.map((version) => `${version}: stale GroupVersion discovery: ${version}`).join(', ');
    const message = `Discovery failed for some groups, ${silent.length} failing: unable to retrieve the complete list of server APIs: ${list}`;
    add('NamespaceDeletionDiscoveryFailure', 'DiscoveryFailed', message);
  }
  if (failures.length > 0) {
    const message = `Failed to delete all resource types, ${failures.length} remaining: ${failures.join(', ')}`;
    add('NamespaceDeletionContentFailure', 'ContentDeletionFailed', message);
  }
  if (left.length === 0) return conditions;
  const resources = countBy(
    left.map(({ kind }) => (kind.group ? `${kind.plural}.${kind.group}` : kind.plural)),
  );
  const remaining = listed(resources, (name, count) => `${name} has ${count} resource instances`);
  add('NamespaceContentRemaining', 'SomeResourcesRemain', `Some resources are remaining: ${remaining}`);
  const finalizers = countBy(left.flatMap(({ object }) => object.metadata?.finalizers ?? []));
  if (finalizers.size === 0) return conditions;
  const holding = listed(finalizers, (name, count) => `${name} in ${count} resource instances`);
  const message = `Some content in the namespace has finalizers remaining: ${holding}`;
  add('NamespaceFinalizersRemaining', 'SomeFinalizersRemain', message);
  return conditions;
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function listed(counts: ReadonlyMap<string, number>, say: (name: string, count: number) => string): string {
  return [...counts]
    .map(([name, count]) => say(name, count))
    .sort()
    .join(', ');
}
