import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Application,
  type Applied,
  applyConfiguration,
  describeConflicts,
} from '../../../../protocol/patch/apply-configuration.ts';
import { compareFields } from '../../../../protocol/patch/compare-fields.ts';
import { compileFieldSchemas } from '../../../../protocol/patch/field-schema.ts';
import type { FieldSet } from '../../../../protocol/patch/field-set.ts';
import { type Owner, ownersAfterUpdate, type Writer } from '../../../../protocol/patch/owners.ts';
import { schemas } from '../../../../protocol/schema/schemas.ts';

const schemaOf = compileFieldSchemas(schemas);
const podSchema = schemaOf('io.k8s.api.core.v1.Pod');
const time = '2026-01-01T00:00:00Z';

function writer(manager: string): Writer {
  return { manager, apiVersion: 'v1', subresource: '' };
}

interface State {
  live: object | undefined;
  owners: readonly Owner[];
}

const nothing: State = { live: undefined, owners: [] };

function attempt(state: State, manager: string, config: object, more: Partial<Application> = {}): Applied {
  const applier = writer(manager);
  return applyConfiguration({ ...state, config, applier, force: false, schema: podSchema, time, ...more });
}

function apply(state: State, manager: string, config: object, more: Partial<Application> = {}): State {
  const applied = attempt(state, manager, config, more);
  assert.ok(
    !('conflicts' in applied),
    'conflicts' in applied ? describeConflicts(applied.conflicts).message : '',
  );
  return { live: applied.object, owners: applied.owners };
}

function update(state: State, manager: string, next: object): State {
  const changes = compareFields(state.live ?? {}, next, podSchema);
  return { live: next, owners: ownersAfterUpdate(state.owners, changes, { writer: writer(manager), time }) };
}

function fieldsOf({ owners }: State, manager: string): FieldSet | undefined {
  return owners.find((owner) => owner.manager === manager)?.fields;
}

function conflictsOf(applied: Applied): string {
  assert.ok('conflicts' in applied, 'no conflict');
  return describeConflicts(applied.conflicts).message;
}

function pod(spec: object, metadata: object = {}) {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', ...metadata }, spec };
}

const web = (more: object = {}) => ({ name: 'web', image: 'nginx', ...more });

describe('an applier owns what its configuration sets', () => {
  test('an item of a list by its keys, with every field in it', () => {
    const state = apply(nothing, 'a', pod({ containers: [web({ env: [{ name: 'X', value: '1' }] })] }));
    assert.deepEqual(fieldsOf(state, 'a'), {
      'f:spec': {
        'f:containers': {
          'k:{"name":"web"}': {
            '.': {},
            'f:name': {},
            'f:image': {},
            'f:env': { 'k:{"name":"X"}': { '.': {}, 'f:name': {}, 'f:value': {} } },
          },
        },
      },
    });
  });

  test('a port by its number and protocol, TCP where it says none', () => {
    const ports = [{ containerPort: 53 }, { containerPort: 53, protocol: 'UDP' }];
    const state = apply(nothing, 'a', pod({ containers: [web({ ports })] }));
    const container = fieldsOf(state, 'a')?.['f:spec']?.['f:containers']?.['k:{"name":"web"}'];
    assert.deepEqual(Object.keys(container?.['f:ports'] ?? {}).sort(), [
      'k:{"containerPort":53,"protocol":"TCP"}',
      'k:{"containerPort":53,"protocol":"UDP"}',
    ]);
  });

  test('atomic lists and objects whole, sets by their values, empty objects, never the names of the object', () => {
    const config = pod(
      { containers: [web({ args: ['a', 'b'] })], nodeSelector: { a: 'b' }, securityContext: {} },
      { uid: 'u', labels: { app: 'web' }, finalizers: ['example.dev/hold'] },
    );
    assert.deepEqual(fieldsOf(apply(nothing, 'a', config), 'a'), {
      'f:metadata': {
        'f:labels': { 'f:app': {} },
        'f:finalizers': { 'v:"example.dev/hold"': {} },
      },
      'f:spec': {
        'f:containers': { 'k:{"name":"web"}': { '.': {}, 'f:name': {}, 'f:image': {}, 'f:args': {} } },
        'f:nodeSelector': {},
        'f:securityContext': {},
      },
    });
  });
});

describe('a conflict', () => {
  const state = apply(nothing, 'a', pod({ containers: [web()], hostname: 'one', priority: 1 }));

  test('is a change of what another owns, and says what and whose', () => {
    const attempted = attempt(state, 'b', pod({ hostname: 'two' }));
    assert.equal(conflictsOf(attempted), 'Apply failed with 1 conflict: conflict with "a": .spec.hostname');
  });

  test('names every field, by owner', () => {
    const both = update(state, 'kubectl', { ...state.live, ...pod({ ...specOf(state), priority: 2 }) });
    const attempted = attempt(
      both,
      'b',
      pod({ hostname: 'two', priority: 3, containers: [web({ image: 'x' })] }),
    );
    assert.equal(
      conflictsOf(attempted),
      [
        'Apply failed with 3 conflicts: conflicts with "a":',
        '- .spec.hostname',
        '- .spec.containers[name="web"].image',
        'conflicts with "kubectl" using v1:',
        '- .spec.priority',
      ].join('\n'),
    );
  });

  test('is none where the value is the same: then both own it', () => {
    const shared = apply(state, 'b', pod({ hostname: 'one' }));
    assert.deepEqual(fieldsOf(shared, 'b'), { 'f:spec': { 'f:hostname': {} } });
    assert.deepEqual(fieldsOf(shared, 'a'), fieldsOf(state, 'a'));
  });

  test('is settled by force: the field changes hands, and nothing else does', () => {
    const forced = apply(state, 'b', pod({ hostname: 'two' }), { force: true });
    assert.equal(specOf(forced)['hostname'], 'two');
    assert.equal(fieldsOf(forced, 'a')?.['f:spec']?.['f:hostname'], undefined);
    assert.deepEqual(fieldsOf(forced, 'a')?.['f:spec']?.['f:priority'], {});
  });

  test('is not prepared by a plain write that changes nothing: it owns nothing by that', () => {
    const same = update(state, 'b', structuredClone(state.live ?? {}));
    assert.equal(fieldsOf(same, 'b'), undefined);
  });
});

function specOf({ live }: State): Record<string, unknown> {
  return (live as { spec: Record<string, unknown> }).spec;
}

describe('what an applier leaves out of its next configuration', () => {
  test('goes, when nobody else owns it', () => {
    const before = apply(
      nothing,
      'a',
      pod({ containers: [web(), { name: 'side', image: 'x' }], hostname: 'h' }),
    );
    const after = apply(before, 'a', pod({ containers: [web()] }));
    assert.deepEqual(specOf(after), { containers: [web()] });
  });

  test('stays, when another owns it, too', () => {
    const before = apply(nothing, 'a', pod({ hostname: 'h', priority: 1 }));
    const shared = apply(before, 'b', pod({ hostname: 'h' }));
    assert.deepEqual(specOf(apply(shared, 'a', pod({ priority: 1 }))), { hostname: 'h', priority: 1 });
  });

  test('of a list item leaves what others set in it, and the item with that', () => {
    const before = apply(nothing, 'a', pod({ containers: [web({ env: [{ name: 'X', value: '1' }] })] }));
    const shared = apply(
      before,
      'b',
      pod({ containers: [{ name: 'web', env: [{ name: 'Y', value: '2' }] }] }),
    );
    const after = apply(shared, 'a', pod({ hostname: 'h' }));
    assert.deepEqual(specOf(after), {
      hostname: 'h',
      containers: [{ name: 'web', env: [{ name: 'Y', value: '2' }] }],
    });
  });

  test('of an item that is its own takes along what the server filled in', () => {
    const before = apply(nothing, 'a', pod({ containers: [web(), { name: 'side', image: 'x' }] }));
    const containers = [
      web({ imagePullPolicy: 'Always' }),
      { name: 'side', image: 'x', imagePullPolicy: 'Always' },
    ];
    const defaulted = { ...before, live: pod({ containers, dnsPolicy: 'ClusterFirst' }) };
    const after = apply(defaulted, 'a', pod({ containers: [web()] }));
    assert.deepEqual(specOf(after), {
      containers: [web({ imagePullPolicy: 'Always' })],
      dnsPolicy: 'ClusterFirst',
    });
  });

  test('stays, when it is not its own: an owner of replicas may be handed over to by silence', () => {
    const before = apply(nothing, 'a', pod({ priority: 1, hostname: 'h' }));
    const scaled = update(before, 'autoscaler', pod({ priority: 5, hostname: 'h' }));
    assert.match(
      conflictsOf(attempt(scaled, 'a', pod({ priority: 1, hostname: 'h' }))),
      /"autoscaler" using v1/,
    );
    assert.deepEqual(specOf(apply(scaled, 'a', pod({ hostname: 'h' }))), { priority: 5, hostname: 'h' });
  });
});

describe('lists', () => {
  const order = (state: State) => (specOf(state)['containers'] as { name: string }[]).map(({ name }) => name);
  const named = (...names: string[]) => pod({ containers: names.map((name) => ({ name })) });

  test("come in the applier's order, others keep their place before the next common item", () => {
    const before = apply(nothing, 'a', named('x', 'b'));
    assert.deepEqual(order(apply(before, 'b', named('n', 'b'))), ['x', 'n', 'b']);
    assert.deepEqual(order(apply(apply(nothing, 'a', named('a', 'b', 'c')), 'b', named('c', 'd', 'a'))), [
      'b',
      'c',
      'd',
      'a',
    ]);
  });

  test('that are atomic change hands whole', () => {
    const before = apply(nothing, 'a', pod({ containers: [web({ args: ['a'] })] }));
    const config = pod({ containers: [{ name: 'web', args: ['b'] }] });
    assert.match(conflictsOf(attempt(before, 'b', config)), /: \.spec\.containers\[name="web"\]\.args$/);
    const after = apply(before, 'b', config, { force: true });
    assert.deepEqual(specOf(after)['containers'], [web({ args: ['b'] })]);
  });

  test('of conditions are owned by type', () => {
    const condition = (type: string, status: string) => ({ type, status });
    const config = (...conditions: object[]) => ({ ...pod({}), status: { conditions } });
    const before = apply(nothing, 'a', config(condition('Ready', 'True')));
    const both = apply(before, 'b', config(condition('example.dev/x', 'False')));
    assert.deepEqual((both.live as { status: unknown }).status, {
      conditions: [condition('Ready', 'True'), condition('example.dev/x', 'False')],
    });
    assert.match(
      conflictsOf(attempt(both, 'b', config(condition('Ready', 'False')))),
      /: \.status\.conditions\[type="Ready"\]\.status$/,
    );
  });

  test('that hold an item twice are left so, until somebody applies the item', () => {
    const live = pod({
      containers: [
        web({
          env: [
            { name: 'X', value: '1' },
            { name: 'X', value: '2' },
          ],
        }),
      ],
    });
    const kept = apply({ live, owners: [] }, 'a', pod({ hostname: 'h' }));
    assert.deepEqual(specOf(kept), { ...live.spec, hostname: 'h' });
    const env = [{ name: 'X', value: '3' }];
    const after = apply({ live, owners: [] }, 'a', pod({ containers: [{ name: 'web', env }] }));
    assert.deepEqual(specOf(after)['containers'], [web({ env })]);
  });
});
