import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { appliedFields, applyConfiguration } from '../../../../protocol/patch/apply-configuration.ts';
import { compareFields } from '../../../../protocol/patch/compare-fields.ts';
import { compileFieldSchemas, type FieldSchema } from '../../../../protocol/patch/field-schema.ts';
import {
  difference,
  type FieldSet,
  intersection,
  isEmpty,
  noFields,
  pathsOf,
  union,
} from '../../../../protocol/patch/field-set.ts';
import {
  type Owner,
  ownablePart,
  ownersAfterUpdate,
  readOwners,
  sameOwners,
  storedOwners,
  type Writer,
  writeOwners,
} from '../../../../protocol/patch/owners.ts';
import { pathText } from '../../../../protocol/patch/path-element.ts';
import { partsOf, withNamedParents } from '../../../../protocol/patch/walk-fields.ts';
import { schemas } from '../../../../protocol/schema/schemas.ts';

const schema = compileFieldSchemas(schemas)('io.k8s.api.core.v1.Pod');
const time = '2026-01-01T00:00:00Z';

const text = fc.constantFrom('1', '2', '3');
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
/** Kubernetes stores no empty lists, so what owning one means is nobody's law. */
const listOf = <T>(item: fc.Arbitrary<T>, key: (item: T) => unknown) =>
  optional(fc.uniqueArray(item, { selector: key, minLength: 1, maxLength: 3 }));

const container = fc.record({
  name: fc.constantFrom('x', 'y', 'z'),
  image: optional(text),
  args: optional(fc.array(text, { minLength: 1, maxLength: 2 })),
  env: listOf(fc.record({ name: fc.constantFrom('A', 'B'), value: optional(text) }), ({ name }) => name),
  ports: listOf(
    fc.record({
      containerPort: fc.constantFrom(80, 53),
      protocol: fc.constantFrom('TCP', 'UDP'),
      hostPort: optional(fc.constantFrom(1, 2)),
    }),
    ({ containerPort, protocol }) => `${containerPort}${protocol}`,
  ),
});

/** What somebody wants of a pod; JSON, so nothing in it is undefined. */
const config = fc
  .record({
    labels: optional(fc.dictionary(fc.constantFrom('a', 'b'), text)),
    finalizers: optional(fc.uniqueArray(text, { minLength: 1, maxLength: 2 })),
    hostname: optional(text),
    nodeSelector: optional(fc.dictionary(fc.constantFrom('a', 'b'), text)),
    emptyDir: fc.boolean(),
    containers: listOf(container, ({ name }) => name),
  })
  .map(({ labels, finalizers, hostname, nodeSelector, emptyDir, containers }) => {
    const volumes = emptyDir ? [{ name: 'v', emptyDir: {} }] : undefined;
    const object = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', labels, finalizers },
      spec: { hostname, nodeSelector, containers, volumes },
    };
    return JSON.parse(JSON.stringify(object)) as object;
  });

interface Write {
  manager: string;
  config: object;
  how: 'apply' | 'force' | 'update';
}

const write: fc.Arbitrary<Write> = fc.record({
  manager: fc.constantFrom('a', 'b', 'c'),
  config,
  how: fc.constantFrom('apply', 'force', 'update'),
});
const story = fc.array(write, { minLength: 1, maxLength: 6 });

interface State {
  live: object;
  owners: readonly Owner[];
}

function writerOf({ manager }: Write): Writer {
  return { manager, apiVersion: 'v1', subresource: '' };
}

/** Every stored object has metadata. */
function ownable(object: object) {
  return { metadata: {}, ...ownablePart(object) };
}

function tryWrite(state: State, one: Write) {
  const writer = writerOf(one);
  if (one.how === 'update') {
    const changes = compareFields(ownable(state.live), ownable(one.config), schema);
    return { object: one.config, owners: ownersAfterUpdate(state.owners, changes, { writer, time }) };
  }
  return applyConfiguration({
    ...state,
    config: one.config,
    applier: writer,
    force: one.how === 'force',
    schema,
    time,
  });
}

/** The state after a story; a conflict leaves it as it was. */
function after(writes: readonly Write[]): State {
  let state: State = { live: {}, owners: [] };
  for (const one of writes) {
    const outcome = tryWrite(state, one);
    if (!('conflicts' in outcome)) state = { live: outcome.object, owners: outcome.owners };
  }
  return state;
}

function othersOf({ owners }: State, { manager, how }: Write): readonly Owner[] {
  const operation = how === 'update' ? 'Update' : 'Apply';
  return owners.filter((owner) => owner.manager !== manager || owner.operation !== operation);
}

function unionOf(owners: readonly Owner[]): FieldSet {
  return owners.reduce((all, { fields }) => union(all, fields), noFields);
}

function texts(set: FieldSet): string[] {
  return pathsOf(set).map(pathText);
}

function assertWithin(inner: FieldSet, outer: FieldSet): void {
  assert.deepEqual(texts(difference(inner, outer)), []);
}

describe('laws of ownership', () => {
  test('applying is idempotent: the second time changes neither the object nor anybody’s fields', () => {
    fc.assert(
      fc.property(story, config, fc.constantFrom('a', 'b'), (writes, wanted, manager) => {
        const once = tryWrite(after(writes), { manager, config: wanted, how: 'force' });
        assert.ok(!('conflicts' in once));
        const state = { live: once.object, owners: once.owners };
        const twice = tryWrite(state, { manager, config: wanted, how: 'apply' });
        assert.ok(!('conflicts' in twice));
        assert.deepEqual(twice.object, once.object);
        assert.equal(sameOwners(twice.owners, once.owners), true);
      }),
    );
  });

  test('what is applied is there, and the applier owns exactly that', () => {
    fc.assert(
      fc.property(story, write, (writes, { manager, config: wanted }) => {
        const applied = tryWrite(after(writes), { manager, config: wanted, how: 'force' });
        assert.ok(!('conflicts' in applied));
        const fields = appliedFields(wanted, schema);
        const own = applied.owners.find((owner) => owner.manager === manager && owner.operation === 'Apply');
        assert.deepEqual(texts(own?.fields ?? noFields), texts(fields));
        const { set } = compareFields(applied.object, wanted, schema);
        assert.deepEqual(texts(intersection(set, fields)), []);
      }),
    );
  });

  test('an apply without force never takes a field from another, nor changes it', () => {
    fc.assert(
      fc.property(story, write, (writes, last) => {
        const state = after(writes);
        const one: Write = { ...last, how: 'apply' };
        const applied = tryWrite(state, one);
        if ('conflicts' in applied) return;
        const { set, removed } = compareFields(state.live, applied.object, schema);
        const others = othersOf(state, one);
        assert.deepEqual(texts(intersection(unionOf(others), set)), []);
        assertOnlyFellAlong(state, one, removed);
        for (const owner of others)
          assert.deepEqual(leftTo(owner, applied.owners), texts(difference(owner.fields, removed)));
      }),
    );
  });

  test('force takes exactly the fields that were in conflict', () => {
    fc.assert(
      fc.property(story, write, (writes, last) => {
        const state = after(writes);
        const one: Write = { ...last, how: 'force' };
        const refused = tryWrite(state, { ...last, how: 'apply' });
        const forced = tryWrite(state, one);
        assert.ok(!('conflicts' in forced));
        const { removed } = compareFields(state.live, forced.object, schema);
        assertOnlyFellAlong(state, one, removed);
        const conflicts = 'conflicts' in refused ? refused.conflicts : [];
        for (const owner of othersOf(state, one)) {
          const taken = conflicts.find((conflict) => conflict.owner === owner)?.fields ?? noFields;
          const kept = difference(difference(owner.fields, taken), removed);
          assert.deepEqual(leftTo(owner, forced.owners), texts(kept));
        }
      }),
    );
  });

  test('the owners’ fields together are the fields of the object: nothing is lost, nothing is left over', () => {
    fc.assert(
      fc.property(story, (writes) => {
        const { live, owners } = after(writes);
        const all = unionOf(owners);
        const present = appliedFields(live, schema);
        // An object that a plain write emptied is nobody's.
        const emptied = emptyObjects(live, schema);
        assert.deepEqual(
          texts(difference(present, all)).filter((path) => !emptied.includes(path)),
          [],
        );
        // A plain write owns the objects that hold its fields, too, and keeps them when their content goes.
        assertWithin(
          unionOf(owners.filter(({ operation }) => operation === 'Apply')),
          withNamedParents(present, schema),
        );
      }),
    );
  });

  test('what is stored reads back as it was', () => {
    fc.assert(
      fc.property(story, (writes) => {
        const { owners } = after(writes);
        const stored: unknown = JSON.parse(JSON.stringify(writeOwners(owners) ?? []));
        assert.equal(sameOwners(readOwners(stored) ?? [], owners), true);
        assert.equal(sameOwners(storedOwners(stored as unknown[]), owners), true);
        assert.equal(
          owners.some(({ fields }) => isEmpty(fields)),
          false,
        );
      }),
    );
  });
});

function emptyObjects(value: unknown, rules: FieldSchema, path: readonly string[] = []): string[] {
  if (JSON.stringify(value) === '{}') return [pathText(path)];
  const parts = partsOf(value, rules);
  if (parts.type === 'leaf') return [];
  return parts.all.flatMap((part) => emptyObjects(part.value, part.schema, [...path, part.element]));
}

function leftTo(owner: Owner, owners: readonly Owner[]): string[] {
  const now = owners.find(
    ({ manager, operation }) => manager === owner.manager && operation === owner.operation,
  );
  return texts(now?.fields ?? noFields);
}

/**
 * What another applier owns is never removed. What a plain writer put into an item of the applier's goes with the item,
 * when nobody else owns that.
 */
function assertOnlyFellAlong(state: State, one: Write, removed: FieldSet): void {
  const others = othersOf(state, one);
  const appliers = others.filter(({ operation }) => operation === 'Apply');
  assert.deepEqual(texts(intersection(unionOf(appliers), removed)), []);
  const own = new Set(texts(unionOf(state.owners.filter((owner) => !others.includes(owner)))));
  for (const path of pathsOf(intersection(unionOf(others), removed))) {
    const above = path.map((_, index) => pathText(path.slice(0, index + 1)));
    assert.ok(
      above.some((text) => own.has(text)),
      pathText(path),
    );
  }
}
