import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRegistry, refused, type Widget, widget, widgetKind } from './registry-fixture.ts';

const a = { namespace: 'default', name: 'a' };
const gone = refused('NotFound', /not found/);

test('an object without grace or finalizers goes at once, and comes back as it was', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  const created = await registry.create(widgetKind, widget('a'));
  assert.deepEqual(await registry.delete(widgetKind, a), created);
  await assert.rejects(registry.get(widgetKind, a), gone);
  await assert.rejects(registry.delete(widgetKind, a), gone);
});

test('an object with grace stays with its deletionTimestamp at the end of it', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  await registry.create(widgetKind, widget('a', { graceSeconds: 30 }));
  const { metadata } = await registry.delete(widgetKind, a);
  assert.equal(metadata?.deletionTimestamp, '2026-01-01T00:00:30Z');
  assert.equal(metadata?.deletionGracePeriodSeconds, 30);
  assert.equal(metadata?.generation, 2);
  assert.deepEqual((await registry.get(widgetKind, a)).metadata, metadata);
});

test('a repeated delete shortens the grace and never lengthens it', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  await registry.create(widgetKind, widget('a', { graceSeconds: 30 }));
  const first = await registry.delete(widgetKind, a);
  assert.deepEqual(await registry.delete(widgetKind, a), first);
  assert.deepEqual(await registry.delete(widgetKind, a, { gracePeriodSeconds: 60 }), first);
  const shorter = await registry.delete(widgetKind, a, { gracePeriodSeconds: 5 });
  assert.equal(shorter.metadata?.deletionTimestamp, '2026-01-01T00:00:05Z');
  assert.equal(shorter.metadata?.deletionGracePeriodSeconds, 5);
  await registry.delete(widgetKind, a, { gracePeriodSeconds: 0 });
  await assert.rejects(registry.get(widgetKind, a), gone);
});

test('an object with finalizers stays until the last one is taken out, and takes no new ones', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  await registry.create(widgetKind, widget('a', {}, { finalizers: ['one', 'two'] }));
  await registry.delete(widgetKind, a);
  const keep = (finalizers: string[]) =>
    registry.mutate(widgetKind, a, (draft: Widget) => {
      (draft.metadata ??= {}).finalizers = finalizers;
    });
  await assert.rejects(
    keep(['one', 'three']),
    refused(
      'Invalid',
      'Widget.example.dev "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"three"}',
    ),
  );
  assert.deepEqual((await keep(['two'])).metadata?.finalizers, ['two']);
  await keep([]);
  await assert.rejects(registry.get(widgetKind, a), gone);
});

test('finalizers gone before the grace is over do not cut the grace short', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  await registry.create(widgetKind, widget('a', { graceSeconds: 30 }, { finalizers: ['one'] }));
  await registry.delete(widgetKind, a);
  await registry.mutate(widgetKind, a, (draft) => {
    delete draft.metadata?.finalizers;
  });
  await registry.get(widgetKind, a);
  await registry.delete(widgetKind, a, { gracePeriodSeconds: 0 });
  await assert.rejects(registry.get(widgetKind, a), gone);
});

test('the propagation policy becomes the finalizer that the garbage collector reads', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  await registry.create(widgetKind, widget('a', {}, { finalizers: ['mine'] }));
  const finalizersAfter = async (propagationPolicy: 'Orphan' | 'Foreground' | 'Background') =>
    (await registry.delete(widgetKind, a, { propagationPolicy })).metadata?.finalizers;
  assert.deepEqual(await finalizersAfter('Foreground'), ['mine', 'foregroundDeletion']);
  assert.deepEqual(await finalizersAfter('Orphan'), ['mine', 'orphan']);
  assert.deepEqual(await finalizersAfter('Background'), ['mine']);
});

test('preconditions protect an object that is not the one meant', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  const created = await registry.create(widgetKind, widget('a'));
  await assert.rejects(
    registry.delete(widgetKind, a, { preconditions: { uid: 'other' } }),
    refused('Conflict', /Precondition failed: UID in precondition: other/),
  );
  await assert.rejects(
    registry.delete(widgetKind, a, { preconditions: { resourceVersion: '1' } }),
    refused('Conflict', /Precondition failed: ResourceVersion in precondition: 1, /),
  );
  await registry.delete(widgetKind, a, { dryRun: true });
  const { uid = '', resourceVersion = '' } = created.metadata ?? {};
  await registry.delete(widgetKind, a, { preconditions: { uid, resourceVersion } });
  await assert.rejects(registry.get(widgetKind, a), gone);
});
