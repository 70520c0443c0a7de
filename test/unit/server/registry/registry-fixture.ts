import assert from 'node:assert/strict';
import { silentLogger } from '../../../../lib/log.ts';
import { type Random, seededRandom } from '../../../../lib/random.ts';
import {
  allVerbs,
  defineKind,
  type KindDefinition,
  type KubernetesObject,
} from '../../../../protocol/kinds/define-kind.ts';
import { StatusError, type StatusReason } from '../../../../protocol/status.ts';
import { createRegistry } from '../../../../server/registry/create-registry.ts';
import type { Registry, WatchChange, WatchRequest } from '../../../../server/registry/registry.ts';
import { createMemoryStore } from '../../../../server/store/memory-store.ts';
import type { Store } from '../../../../server/store/store.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

/** A kind with everything a registry has to do with: defaults, validation, status, grace, selectable fields. */
export interface Widget extends KubernetesObject {
  spec?: { size?: number; colour?: string; graceSeconds?: number };
  status?: { ready?: boolean };
}

const core = { group: '', version: 'v1', shortNames: [], categories: [], verbs: allVerbs, columns: [] };

export const widgetKind: KindDefinition<Widget> = defineKind<Widget>({
  ...core,
  group: 'example.dev',
  kind: 'Widget',
  plural: 'widgets',
  singular: 'widget',
  namespaced: true,
  schema: 'dev.example.Widget',
  subresources: ['status'],
  selectableFields: { 'spec.colour': ({ spec }) => spec?.colour ?? '' },
  applyDefaults(widget) {
    (widget.spec ??= {}).colour ??= 'grey';
  },
  prepareCreate(widget) {
    delete widget.status;
  },
  validate({ spec }) {
    if ((spec?.size ?? 0) >= 0) return [];
    return [
      { reason: 'FieldValueInvalid', field: 'spec.size', message: 'Invalid value: -1: must not be negative' },
    ];
  },
  validateUpdate(next, old) {
    if (next.spec?.colour === old.spec?.colour) return [];
    return [
      {
        reason: 'FieldValueInvalid',
        field: 'spec.colour',
        message: `Invalid value: "${next.spec?.colour}": field is immutable`,
      },
    ];
  },
  deletion: { gracePeriodSeconds: ({ spec }, requested) => requested ?? spec?.graceSeconds ?? 0 },
});

/** Its plural starts as `widgets` does, and it has no namespace. */
export const widgetsetKind: KindDefinition = defineKind({
  ...core,
  kind: 'Widgetset',
  plural: 'widgetsets',
  singular: 'widgetset',
  namespaced: false,
  schema: 'dev.example.Widgetset',
  subresources: [],
  selectableFields: {},
  generationOf: false,
});

export interface TestNamespace extends KubernetesObject {
  spec?: { finalizers?: string[] };
  status?: { phase?: string };
}

export const testNamespaceKind: KindDefinition<TestNamespace> = defineKind<TestNamespace>({
  ...core,
  kind: 'Namespace',
  plural: 'namespaces',
  singular: 'namespace',
  namespaced: false,
  schema: 'io.k8s.api.core.v1.Namespace',
  subresources: ['finalize', 'status'],
  selectableFields: {},
  prepareCreate(namespace) {
    namespace.spec = { finalizers: ['kubernetes'] };
    namespace.status = { phase: 'Active' };
  },
});

export interface TestPod extends KubernetesObject {
  spec?: { nodeName?: string; containers?: unknown[] };
  status?: {
    phase?: string;
    conditions?: { type: string; status: string; reason?: string }[];
    hostIP?: string;
  };
}

export const testPodKind: KindDefinition<TestPod> = defineKind<TestPod>({
  ...core,
  kind: 'Pod',
  plural: 'pods',
  singular: 'pod',
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Pod',
  subresources: ['status', 'binding'],
  selectableFields: { 'spec.nodeName': ({ spec }) => spec?.nodeName ?? '' },
  validate: ({ spec }) =>
    spec?.containers?.length
      ? []
      : [{ reason: 'FieldValueRequired', field: 'spec.containers', message: 'Required value' }],
});

export const testKinds = [widgetKind, widgetsetKind, testNamespaceKind, testPodKind] as const;

export interface RegistryFixture extends AsyncDisposable {
  readonly registry: Registry;
  readonly store: Store;
  readonly clock: ManualClock;
}

/** A registry over a memory store (unless told otherwise) that holds the namespaces `default` and `other`. */
export async function openRegistry(given: { store?: Store; random?: Random } = {}): Promise<RegistryFixture> {
  const clock = new ManualClock();
  const { random = seededRandom(1), store = createMemoryStore({ clock, random: seededRandom(2) }) } = given;
  const registry = createRegistry({ store, clock, random, log: silentLogger, kinds: testKinds });
  for (const name of ['default', 'other']) await registry.create(testNamespaceKind, { metadata: { name } });
  return { registry, store, clock, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

export function widget(name: string, spec: Widget['spec'] = {}, metadata: Widget['metadata'] = {}): Widget {
  return { metadata: { name, namespace: 'default', ...metadata }, spec };
}

/** Reads changes until `count` have come. */
export async function take<T extends KubernetesObject>(
  registry: Registry,
  kind: KindDefinition<T>,
  { count, ...request }: Omit<WatchRequest, 'signal'> & { count: number },
): Promise<WatchChange<T>[]> {
  const abort = new AbortController();
  const changes: WatchChange<T>[] = [];
  for await (const change of registry.watch(kind, { ...request, signal: abort.signal })) {
    changes.push(change);
    if (changes.length === count) break;
  }
  abort.abort();
  return changes;
}

/** A change as one word: `ADDED a@3`. */
export function brief<T extends KubernetesObject>(change: WatchChange<T>): string {
  if (change.type === 'BOOKMARK') return `BOOKMARK @${change.resourceVersion}`;
  const { name, resourceVersion } = change.object.metadata ?? {};
  return `${change.type} ${name}@${resourceVersion}`;
}

/** For `assert.rejects`: a StatusError with this reason and message. */
export function refused(reason: StatusReason, message: string | RegExp) {
  return (error: unknown): true => {
    assert.ok(error instanceof StatusError, String(error));
    assert.equal(error.reason, reason);
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}
