import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { deploymentKind } from '../../protocol/kinds/deployment.ts';
import { namespaceKind } from '../../protocol/kinds/namespace.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { kinds } from '../../protocol/kinds/registry.ts';
import { isStatus } from '../../protocol/status.ts';
import { createRegistry } from '../../server/registry/create-registry.ts';
import type { Registry } from '../../server/registry/registry.ts';
import { createMemoryStore } from '../../server/store/memory-store.ts';
import { anySampleOf, sampleName } from '../support/kind-samples.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** The registry with every kind that the API serves: a new kind needs a sample here. */
const template = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'web:1' }] },
};
const selector = { matchLabels: { app: 'web' } };
async function open() {
  const clock = new ManualClock();
  const store = createMemoryStore({ clock });
  const registry = createRegistry({ store, clock, random: seededRandom(1), log: silentLogger, kinds });
  await registry.create(namespaceKind, { metadata: { name: 'default' } });
  return { registry, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

for (const kind of kinds) {
  test(`${kind.kind}: what is created is read, listed, replaced by itself without a write, and deleted`, async () => {
    await using fixture = await open();
    const { registry } = fixture;
    const sample = anySampleOf(kind);
    assert.ok(sample, `a sample of ${kind.kind}`);
    const name = sampleName(kind);
    const at = kind.namespaced ? { namespace: 'default', name } : { name };
    const created = await registry.create(kind, { ...structuredClone(sample), metadata: at });
    assert.deepEqual(await registry.get(kind, at), created);
    const { items } = await registry.list(kind, { fieldSelector: `metadata.name=${name}` });
    assert.deepEqual(items, [created]);
    const { kind: _kind, apiVersion: _apiVersion, ...item } = created;
    for (const time of ['first', 'second']) {
      const [encoded] = (await registry.listEncoded(kind, { fieldSelector: `metadata.name=${name}` })).items;
      const text = encoded && encoded.head + Buffer.from(encoded.tail ?? []).toString();
      assert.deepEqual(JSON.parse(text ?? ''), item, `as JSON, the ${time} time`);
    }
    const { resourceVersion } = registry;
    assert.deepEqual(await registry.update(kind, structuredClone(created)), created);
    assert.equal(registry.resourceVersion, resourceVersion);
    const labelled = await registry.mutate(kind, at, (draft) => {
      (draft.metadata ??= {}).labels = { ...draft.metadata.labels, more: 'x' };
    });
    assert.equal(labelled.metadata?.generation, created.metadata?.generation);
    await registry.delete(kind, at);
    const held = [namespaceKind.kind, 'CustomResourceDefinition'];
    assert.equal(await exists(registry, kind, at), held.includes(kind.kind));
  });
}

test('a deployment counts generations by its spec, not by its status', async () => {
  await using fixture = await open();
  const { registry } = fixture;
  const at = { namespace: 'default', name: 'web' };
  await registry.create(deploymentKind, { metadata: at, spec: { selector, template } });
  const scaled = await registry.mutate(deploymentKind, at, ({ spec }) => {
    if (spec) spec.replicas = 3;
  });
  assert.equal(scaled.metadata?.generation, 2);
  const reported = await registry.mutate(
    deploymentKind,
    at,
    (draft) => {
      draft.status = { replicas: 3, readyReplicas: 3 };
      if (draft.spec) draft.spec.replicas = 9;
    },
    { subresource: 'status' },
  );
  assert.equal(reported.metadata?.generation, 2);
  assert.deepEqual([reported.spec?.replicas, reported.status?.readyReplicas], [3, 3]);
});

test('a bound pod is deleted in two steps, an unbound one in one', async () => {
  await using fixture = await open();
  const { registry } = fixture;
  const pod = async (name: string) =>
    registry.create(podKind, { ...structuredClone(template), metadata: { namespace: 'default', name } });
  await pod('loose');
  const loose = { namespace: 'default', name: 'loose' };
  await registry.delete(podKind, loose);
  assert.equal(await exists(registry, podKind, loose), false);

  const bound = { namespace: 'default', name: 'bound' };
  const { metadata } = await pod('bound');
  const uid = metadata?.uid ?? '';
  await registry.bind(bound, uid, 'n1');
  const going = await registry.delete(podKind, bound);
  assert.equal(going.metadata?.deletionGracePeriodSeconds, 30);
  await registry.mutate(podKind, bound, (draft) => (draft.status = { phase: 'Succeeded' }), {
    subresource: 'status',
  });
  await registry.delete(podKind, bound, { gracePeriodSeconds: 0, preconditions: { uid } });
  assert.equal(await exists(registry, podKind, bound), false);
});

test("a node's veto passes the pod's own rules, and the pod can be bound again", async () => {
  await using fixture = await open();
  const { registry } = fixture;
  const at = { namespace: 'default', name: 'web' };
  const { metadata } = await registry.create(podKind, { ...structuredClone(template), metadata: at });
  const podUid = metadata?.uid ?? '';
  await registry.bind(at, podUid, 'n1');
  await registry.unbind(at, { podUid, node: 'n1', reason: 'OutOfMemory', message: 'no room' });
  await registry.bind(at, podUid, 'n2');
  const again = await registry.get(podKind, at);
  assert.equal(again.spec?.nodeName, 'n2');
  assert.equal(again.status?.qosClass, 'BestEffort');
  assert.deepEqual(await registry.update(podKind, structuredClone(again)), again);
});

async function exists(registry: Registry, ...[kind, at]: Parameters<Registry['get']>): Promise<boolean> {
  try {
    await registry.get(kind, at);
    return true;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return false;
    throw error;
  }
}
