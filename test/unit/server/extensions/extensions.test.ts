import assert from 'node:assert/strict';
import { test } from 'node:test';
import { customResourceDefinitionKind as definitionKind } from '../../../../protocol/kinds/custom-resource-definition.ts';
import type { KindDefinition } from '../../../../protocol/kinds/define-kind.ts';
import type { KindChange } from '../../../../protocol/kinds/kind-set.ts';
import { isStatus } from '../../../../protocol/status.ts';
import { eventually } from '../../../support/eventually.ts';
import { definitionOf, type ExtensionsFixture, type Gadget, openExtensions } from './extensions-fixture.ts';

const at = (name: string) => ({ namespace: 'default', name });

function gadgets(fixture: ExtensionsFixture): KindDefinition<Gadget> {
  const kind = fixture.kind('Gadget');
  assert.ok(kind);
  return kind;
}

test('a kind is served before its definition says so, and again after a restart without a word', async () => {
  await using fixture = await openExtensions();
  const { registry } = fixture;
  const changes: KindChange[] = [];
  fixture.extensions.kinds.onChange((change) => changes.push(change));
  const { status } = await fixture.define(definitionOf('Gadget'));
  assert.deepEqual(
    status?.conditions?.map(({ type, status, reason }) => `${type}=${status} ${reason}`),
    ['NamesAccepted=True NoConflicts', 'Established=True InitialNamesAccepted'],
  );
  assert.deepEqual(status?.storedVersions, ['v1']);
  assert.deepEqual(
    changes.map(({ added, removed }) => [added.length, removed.length]),
    [[1, 0]],
  );
  await registry.create(gadgets(fixture), { metadata: at('one'), spec: { a: 1 } });
  const { resourceVersion } = registry;
  await fixture.restart();
  assert.deepEqual((await registry.get(gadgets(fixture), at('one'))).spec, { a: 1 });
  assert.equal(registry.resourceVersion, resourceVersion, 'a restart writes nothing');
});

test('a definition whose names are taken waits until they are free, and its deletion touches nobody else', async () => {
  await using fixture = await openExtensions();
  const { registry } = fixture;
  await fixture.define(definitionOf('Gadget', undefined, { shortNames: ['gg'] }));
  await registry.create(gadgets(fixture), { metadata: at('one') });
  const { status } = await fixture.define(definitionOf('Gizmo', undefined, { shortNames: ['gg'] }));
  assert.deepEqual(
    status?.conditions?.map(({ type, status, reason, message }) => `${type}=${status} ${reason} ${message}`),
    [
      'NamesAccepted=False ShortNamesConflict "gg" is already in use',
      'Established=False NotAccepted not all names are accepted',
    ],
  );
  assert.equal(fixture.kind('Gizmo'), undefined);
  await registry.delete(definitionKind, { name: 'gadgets.example.com' });
  await fixture.gone(definitionKind, 'gadgets.example.com');
  await eventually(() => fixture.kind('Gizmo') !== undefined, 'the one that waited is served');
  assert.equal(fixture.kind('Gadget'), undefined);
});

test('objects are pruned, defaulted and checked on every way in, and statuses too', async () => {
  await using fixture = await openExtensions();
  const { registry } = fixture;
  await fixture.define(
    definitionOf('Gadget', {
      type: 'object',
      properties: { size: { type: 'integer', default: 3, maximum: 5 }, note: { type: 'string' } },
      'x-kubernetes-validations': [{ rule: 'self.size >= oldSelf.size', message: 'never smaller' }],
    }),
  );
  const kind = gadgets(fixture);
  const made = await registry.create(kind, { metadata: at('one'), spec: { odd: 1 }, status: { n: 1 } });
  assert.deepEqual([made.spec, made.status, made.metadata?.generation], [{ size: 3 }, undefined, 1]);
  const refused = async (change: (draft: Gadget) => void, subresource = '') => {
    const error: unknown = await registry
      .mutate(kind, at('one'), change, { subresource })
      .catch((e: unknown) => e);
    assert.ok(isStatus(error, 'Invalid'), String(error));
    return error.message;
  };
  assert.match(
    await refused((draft) => (draft.spec = { size: 9 })),
    /spec\.size in body should be less than or equal to 5$/,
  );
  assert.match(
    await refused((draft) => (draft.spec = { size: 1 })),
    /spec: Invalid value: "object": never smaller$/,
  );
  assert.match(
    await refused((draft) => (draft.status = { n: 'x' }), 'status'),
    /status\.n in body must be of type integer/,
  );
  const reported = await registry.mutate(kind, at('one'), (draft) => (draft.status = { n: 2, odd: 1 }), {
    subresource: 'status',
  });
  assert.deepEqual([reported.status, reported.metadata?.generation], [{ n: 2 }, 1]);
});

test('what was wrong before a schema became stricter does not stop other changes', async () => {
  await using fixture = await openExtensions();
  const { registry } = fixture;
  await fixture.define(
    definitionOf('Gadget', {
      type: 'object',
      properties: { size: { type: 'integer' }, note: { type: 'string' } },
    }),
  );
  const before = gadgets(fixture);
  await registry.create(before, { metadata: at('one'), spec: { size: 9 } });
  await registry.mutate(definitionKind, { name: 'gadgets.example.com' }, (draft) => {
    const stricter = definitionOf('Gadget', {
      type: 'object',
      properties: { size: { type: 'integer', maximum: 5 }, note: { type: 'string' } },
    });
    draft.spec.versions = stricter.spec.versions;
  });
  await eventually(() => fixture.kind('Gadget') !== before, 'the new schema is in force');
  assert.ok(before.custom?.retired.aborted, 'watches of the old one end');
  const kind = gadgets(fixture);
  const noted = await registry.mutate(
    kind,
    at('one'),
    (draft) => (draft.spec = { ...draft.spec, note: 'x' }),
  );
  assert.equal(noted.spec?.['note'], 'x');
  await assert.rejects(
    registry.mutate(kind, at('one'), (draft) => (draft.spec = { size: 10 })),
    { reason: 'Invalid' },
  );
});

test('a definition goes when its objects are gone, and takes no new ones meanwhile', async () => {
  await using fixture = await openExtensions();
  const { registry } = fixture;
  await fixture.define(definitionOf('Gadget'));
  const kind = gadgets(fixture);
  await registry.create(kind, { metadata: at('loose') });
  await registry.create(kind, { metadata: { ...at('held'), finalizers: ['plain.name'] } });
  await registry.delete(definitionKind, { name: 'gadgets.example.com' });
  await fixture.gone(kind, 'loose');
  await assert.rejects(registry.create(kind, { metadata: at('late') }), { reason: 'MethodNotAllowed' });
  await registry.mutate(kind, at('held'), (draft) => {
    delete draft.metadata?.finalizers;
  });
  await fixture.gone(definitionKind, 'gadgets.example.com');
  await eventually(() => fixture.kind('Gadget') === undefined, 'the kind is served no more');
});

test('a pattern or rule that runs on and on is stopped, and the object refused', async () => {
  await using fixture = await openExtensions();
  await fixture.define(
    definitionOf('Gadget', {
      type: 'object',
      properties: { text: { type: 'string', pattern: '^(a+)+$' } },
    }),
  );
  await assert.rejects(
    fixture.registry.create(gadgets(fixture), { metadata: at('one'), spec: { text: `${'a'.repeat(60)}!` } }),
    /validation failed due to running out of cost budget, no further validation rules will be run/,
  );
});

test('a hundred definitions are in force at once after a restart', async () => {
  await using fixture = await openExtensions();
  for (let index = 0; index < 100; index += 1)
    await fixture.registry.create(definitionKind, definitionOf(`Thing${index}`));
  const count = () => [...fixture.extensions.kinds].filter(({ custom }) => custom).length;
  await eventually(() => count() === 100, 'all are served');
  await eventually(() => fixture.kind('Thing99') !== undefined, 'the last one is served');
  await fixture.restart();
  assert.equal(count(), 100);
});
