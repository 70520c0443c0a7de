import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../../../lib/random.ts';
import { StoreError } from '../../../../server/store/errors.ts';
import {
  openRegistry,
  refused,
  testNamespaceKind,
  testPodKind,
  type Widget,
  widget,
  widgetKind,
  widgetsetKind,
} from './registry-fixture.ts';

const at = (name: string) => ({ namespace: 'default', name });

describe('creating', () => {
  test('the server stamps uid, time, generation, version and defaults, whatever the client says of them', async () => {
    await using fixture = await openRegistry();
    const created = await fixture.registry.create(widgetKind, {
      ...widget('a', { size: 1 }),
      metadata: {
        name: 'a',
        namespace: 'default',
        uid: 'mine',
        creationTimestamp: '1999-01-01T00:00:00Z',
        generation: 7,
        deletionTimestamp: '1999-01-01T00:00:00Z',
      },
      status: { ready: true },
    });
    assert.match(created.metadata?.uid ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    assert.deepEqual(created, {
      apiVersion: 'example.dev/v1',
      kind: 'Widget',
      metadata: {
        name: 'a',
        namespace: 'default',
        uid: created.metadata?.uid,
        creationTimestamp: '2026-01-01T00:00:00Z',
        generation: 1,
        resourceVersion: fixture.registry.resourceVersion,
      },
      spec: { size: 1, colour: 'grey' },
    });
    assert.deepEqual(await fixture.registry.get(widgetKind, at('a')), created);
  });

  test('the argument is left as it was', async () => {
    await using fixture = await openRegistry();
    const mine = widget('a');
    await fixture.registry.create(widgetKind, mine);
    assert.deepEqual(mine, widget('a'));
  });

  test('refusals are worded as Kubernetes words them', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    await registry.create(widgetKind, widget('a'));
    await registry.create(widgetsetKind, { metadata: { name: 's' } });
    await assert.rejects(
      registry.create(widgetKind, widget('a')),
      refused('AlreadyExists', 'widgets.example.dev "a" already exists'),
    );
    await assert.rejects(
      registry.create(widgetsetKind, { metadata: { name: 's' } }),
      refused('AlreadyExists', 'widgetsets "s" already exists'),
    );
    await assert.rejects(
      registry.create(testPodKind, { metadata: { name: 'x', namespace: 'default' } }),
      refused('Invalid', 'Pod "x" is invalid: spec.containers: Required value'),
    );
    await assert.rejects(
      registry.create(widgetKind, { metadata: { namespace: 'default' }, spec: { size: -1 } }),
      refused(
        'Invalid',
        'Widget.example.dev "" is invalid: [metadata.name: Required value: name or generateName is required, spec.size: Invalid value: -1: must not be negative]',
      ),
    );
    await assert.rejects(
      registry.get(widgetKind, at('b')),
      refused('NotFound', 'widgets.example.dev "b" not found'),
    );
    await assert.rejects(
      registry.create(widgetKind, widget('r', {}, { resourceVersion: '3' })),
      refused('BadRequest', 'resourceVersion should not be set on objects to be created'),
    );
  });

  test('a name can never reach into another key', async () => {
    await using fixture = await openRegistry();
    for (const name of ['..', 'a/b', 'a%2fb', 'a\u0000', 'x'.repeat(254)]) {
      await assert.rejects(
        fixture.registry.create(widgetKind, widget(name)),
        refused('Invalid', /metadata\.name/),
      );
    }
  });

  test('a generated name that is taken is generated again', async () => {
    const rolls = Array.from({ length: 10 }, () => 0);
    await using fixture = await openRegistry({
      random: {
        fraction: () => rolls.shift() ?? 0.5,
        bytes: (count) => seededRandom(count).bytes(count),
      },
    });
    const names: (string | undefined)[] = [];
    for (let count = 0; count < 2; count += 1) {
      const metadata = { generateName: 'w-', namespace: 'default' };
      names.push((await fixture.registry.create(widgetKind, { metadata })).metadata?.name);
    }
    assert.deepEqual(names, ['w-bbbbb', 'w-rrrrr']);
  });

  test('a dry run answers as if written, and writes nothing', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    const before = registry.resourceVersion;
    const answer = await registry.create(widgetKind, widget('a'), { dryRun: true });
    assert.equal(answer.spec?.colour, 'grey');
    assert.equal(registry.resourceVersion, before);
    await registry.create(widgetKind, widget('a'));
    await assert.rejects(
      registry.create(widgetKind, widget('a'), { dryRun: true }),
      refused('AlreadyExists', /already exists/),
    );
  });

  test('an object beyond the size limit is refused', async () => {
    await using fixture = await openRegistry();
    const large = widget('a', {}, { annotations: { large: 'x'.repeat(1536 * 1024) } });
    await assert.rejects(
      fixture.registry.create(widgetKind, large),
      refused('RequestEntityTooLarge', 'Request entity too large: limit is 1572864'),
    );
  });

  test('a failing disk is named, and nothing is lost or kept by half', async (context) => {
    await using fixture = await openRegistry();
    const { registry, store } = fixture;
    const full = context.mock.method(store, 'txn', async () => {
      throw new StoreError('StorageFailed', 'ENOSPC: no space left on device');
    });
    await assert.rejects(
      registry.create(widgetKind, widget('a')),
      refused('ServiceUnavailable', /disk is full or failing, nothing was changed: ENOSPC/),
    );
    full.mock.restore();
    assert.deepEqual((await registry.list(widgetKind)).items, []);
    await registry.create(widgetKind, widget('a'));
  });
});

describe('updating', () => {
  test('an update from a stale copy is refused, one without a version is not', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    const stale = await registry.create(widgetKind, widget('a', { size: 1 }));
    const fresh = await registry.update(widgetKind, { ...stale, spec: { size: 2 } });
    assert.equal(fresh.metadata?.generation, 2);
    await assert.rejects(
      registry.update(widgetKind, { ...stale, spec: { size: 3 } }),
      refused(
        'Conflict',
        'Operation cannot be fulfilled on widgets.example.dev "a": the object has been modified; please apply your changes to the latest version and try again',
      ),
    );
    const forced = await registry.update(widgetKind, widget('a', { size: 4 }));
    assert.equal(forced.metadata?.generation, 3);
    assert.equal(forced.metadata?.uid, stale.metadata?.uid);
  });

  test('an update that changes nothing writes nothing and keeps the version', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    const created = await registry.create(widgetKind, widget('a', { size: 1 }));
    const before = registry.resourceVersion;
    const { spec, ...rest } = created;
    const answer = await registry.update(widgetKind, { spec: { ...spec }, ...rest });
    assert.deepEqual(answer, created);
    await registry.mutate(widgetKind, at('a'), (draft) => {
      draft.spec = { colour: 'grey', size: 1 };
    });
    assert.equal(registry.resourceVersion, before);
  });

  test('status and spec are written through their own doors only', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    await registry.create(widgetKind, widget('a', { size: 1 }));
    const both: Widget = { ...widget('a', { size: 2 }, { labels: { x: 'y' } }), status: { ready: true } };
    const byStatus = await registry.update(widgetKind, both, { subresource: 'status' });
    assert.deepEqual(byStatus.status, { ready: true });
    assert.equal(byStatus.spec?.size, 1);
    assert.equal(byStatus.metadata?.generation, 1);
    assert.equal(byStatus.metadata?.labels, undefined);
    const bySpec = await registry.update(widgetKind, { ...both, status: { ready: false } });
    assert.deepEqual(bySpec.status, { ready: true });
    assert.equal(bySpec.spec?.size, 2);
    assert.equal(bySpec.metadata?.generation, 2);
  });

  test('what belongs to the server cannot be changed', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    await registry.create(widgetKind, widget('a'));
    await assert.rejects(
      registry.update(widgetKind, widget('a', {}, { creationTimestamp: '1999-01-01T00:00:00Z' })),
      refused(
        'Invalid',
        'Widget.example.dev "a" is invalid: metadata.creationTimestamp: Invalid value: "1999-01-01T00:00:00Z": field is immutable',
      ),
    );
    await assert.rejects(
      registry.update(widgetKind, widget('a', {}, { deletionTimestamp: '1999-01-01T00:00:00Z' })),
      refused('Invalid', /metadata\.deletionTimestamp/),
    );
    await assert.rejects(
      registry.update(widgetKind, widget('a', {}, { uid: 'other' })),
      refused('Conflict', /Precondition failed: UID in precondition: other, UID in object meta: /),
    );
    await assert.rejects(
      registry.update(widgetKind, widget('a', { colour: 'red' })),
      refused('Invalid', /spec\.colour: Invalid value: "red": field is immutable/),
    );
    await assert.rejects(registry.update(widgetKind, widget('b')), refused('NotFound', /"b" not found/));
  });

  test('concurrent mutations all take effect', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    await registry.create(widgetKind, widget('a', { size: 0 }));
    await Promise.all(
      Array.from({ length: 20 }, () =>
        registry.mutate(widgetKind, at('a'), (draft) => {
          draft.spec = { ...draft.spec, size: (draft.spec?.size ?? 0) + 1 };
        }),
      ),
    );
    assert.equal((await registry.get(widgetKind, at('a'))).spec?.size, 20);
  });
});

describe('namespaces', () => {
  test('nothing is created in a namespace that is missing or going', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    await assert.rejects(
      registry.create(widgetKind, widget('a', {}, { namespace: 'nowhere' })),
      refused('NotFound', 'namespaces "nowhere" not found'),
    );
    const going = await registry.delete(testNamespaceKind, { name: 'other' });
    assert.equal(going.status?.phase, 'Terminating');
    await assert.rejects(
      registry.create(widgetKind, widget('a', {}, { namespace: 'other' })),
      refused(
        'Forbidden',
        'widgets.example.dev "a" is forbidden: unable to create new content in namespace other because it is being terminated',
      ),
    );
  });

  test('a namespace stays until the last finalizer of its spec is taken out through finalize', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    await registry.delete(testNamespaceKind, { name: 'other' });
    await registry.delete(testNamespaceKind, { name: 'other' }, { gracePeriodSeconds: 0 });
    const empty = (draft: { spec?: { finalizers?: string[] } }) => {
      draft.spec = { finalizers: [] };
    };
    const kept = await registry.mutate(testNamespaceKind, { name: 'other' }, empty);
    assert.deepEqual(kept.spec?.finalizers, ['kubernetes']);
    await registry.mutate(testNamespaceKind, { name: 'other' }, empty, { subresource: 'finalize' });
    await assert.rejects(
      registry.get(testNamespaceKind, { name: 'other' }),
      refused('NotFound', /not found/),
    );
  });

  test('an object never slips into a namespace that is deleted in the same moment', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 5 }, (_, index) =>
        registry.create(widgetKind, widget(`w${index}`, {}, { namespace: 'other' })),
      ),
      registry.delete(testNamespaceKind, { name: 'other' }),
      ...Array.from({ length: 5 }, (_, index) =>
        registry.create(widgetKind, widget(`v${index}`, {}, { namespace: 'other' })),
      ),
    ]);
    const namespace = await registry.get(testNamespaceKind, { name: 'other' });
    const { items } = await registry.list(widgetKind, { namespace: 'other' });
    for (const { metadata } of items) {
      assert.ok(Number(metadata?.resourceVersion) < Number(namespace.metadata?.resourceVersion));
    }
    const refusals = outcomes.filter(({ status }) => status === 'rejected').length;
    assert.equal(refusals + items.length, 10);
  });

  test('a namespace the server needs may not be deleted', async () => {
    await using fixture = await openRegistry();
    await assert.rejects(
      fixture.registry.delete(testNamespaceKind, { name: 'default' }),
      refused('Forbidden', 'namespaces "default" is forbidden: this namespace may not be deleted'),
    );
  });
});
