import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import type { EventsEvent } from '../../../../protocol/generated/models.ts';
import { eventKind } from '../../../../protocol/kinds/event.ts';
import { eventV1Kind } from '../../../../protocol/kinds/event-v1.ts';
import { horizontalPodAutoscalerKind } from '../../../../protocol/kinds/horizontal-pod-autoscaler.ts';
import { horizontalPodAutoscalerV1Kind } from '../../../../protocol/kinds/horizontal-pod-autoscaler-v1.ts';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { createRegistry } from '../../../../server/registry/create-registry.ts';
import { createMemoryStore } from '../../../../server/store/memory-store.ts';
import { sampleOf } from '../../../support/kind-samples.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { brief, refused, take } from './registry-fixture.ts';

const at = { namespace: 'default', name: 'web' };

async function open() {
  const clock = new ManualClock();
  const store = createMemoryStore({ clock });
  const registry = createRegistry({ store, clock, random: seededRandom(1), log: silentLogger, kinds });
  await registry.create(namespaceKind, { metadata: { name: 'default' } });
  return { registry, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

const event = (): EventsEvent => ({ metadata: { ...at }, ...(sampleOf(eventV1Kind) as EventsEvent) });

test('what is created through a view is the same object under the stored kind', async () => {
  await using fixture = await open();
  const { registry } = fixture;
  const created = await registry.create(eventV1Kind, event());
  assert.deepEqual([created.apiVersion, created.kind], ['events.k8s.io/v1', 'Event']);
  const stored = await registry.get(eventKind, at);
  assert.deepEqual([stored.apiVersion, stored.message], ['v1', 'tested']);
  assert.deepEqual(stored.metadata, created.metadata);
  assert.deepEqual(await registry.get(eventV1Kind, at), created);
});

test('a view is listed and watched by its own fields', async () => {
  await using fixture = await open();
  const { registry } = fixture;
  await registry.create(eventV1Kind, event());
  const fieldSelector = 'regarding.name=web';
  const { items, resourceVersion } = await registry.list(eventV1Kind, { fieldSelector });
  assert.equal(items[0]?.note, 'tested');
  await assert.rejects(
    registry.list(eventKind, { fieldSelector }),
    refused('BadRequest', /field label not supported/),
  );
  const seen = take(registry, eventV1Kind, { fieldSelector, resourceVersion, count: 2 });
  await registry.mutate(eventKind, at, (draft) => (draft.message = 'again'));
  await registry.delete(eventKind, at);
  const changes = await seen;
  assert.deepEqual(
    changes.map((change) => brief(change).split(' ')[0]),
    ['MODIFIED', 'DELETED'],
  );
});

test('a change through a view is checked as the stored kind is, against its resourceVersion', async () => {
  await using fixture = await open();
  const { registry } = fixture;
  const sample = sampleOf(horizontalPodAutoscalerKind) as { spec: object };
  await registry.create(horizontalPodAutoscalerKind, { metadata: at, ...sample } as never);
  const first = await registry.get(horizontalPodAutoscalerV1Kind, at);
  const changed = await registry.mutate(horizontalPodAutoscalerV1Kind, at, ({ spec }) => {
    if (spec) spec.maxReplicas = 7;
  });
  assert.equal(changed.spec?.maxReplicas, 7);
  const stored = await registry.get(horizontalPodAutoscalerKind, at);
  assert.equal(
    stored.spec?.behavior?.scaleDown?.stabilizationWindowSeconds,
    60,
    'what the view cannot say stays',
  );
  await assert.rejects(
    registry.update(horizontalPodAutoscalerV1Kind, first),
    refused('Conflict', /modified/),
  );
  const wrong = { ...changed, spec: { ...changed.spec, maxReplicas: 0 } };
  await assert.rejects(
    registry.update(horizontalPodAutoscalerV1Kind, wrong),
    refused('Invalid', /maxReplicas/),
  );
  await registry.delete(horizontalPodAutoscalerV1Kind, at);
  await assert.rejects(registry.get(horizontalPodAutoscalerKind, at), refused('NotFound', /web/));
});

test('a view may ask more of what is created through it', async () => {
  await using fixture = await open();
  const { registry } = fixture;
  const { eventTime: _, ...old } = event();
  await assert.rejects(
    registry.create(eventV1Kind, old as EventsEvent),
    refused('Invalid', /eventTime: Required value/),
  );
});
