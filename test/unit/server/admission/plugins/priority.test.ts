import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { podKind } from '../../../../../protocol/kinds/pod.ts';
import { priorityClassKind } from '../../../../../protocol/kinds/priority-class.ts';
import { ensureSystemPriorityClasses, priority } from '../../../../../server/admission/plugins/priority.ts';
import { refused } from '../../registry/registry-fixture.ts';
import { openAdmission, pod } from '../admission-fixture.ts';

const open = () => openAdmission({ plugins: [priority] });

describe('Priority', () => {
  test('a pod has the priority and the policy of its class, from the moment the class is there', async () => {
    await using fixture = await open();
    const { registry } = fixture;
    await registry.create(priorityClassKind, {
      metadata: { name: 'high' },
      value: 1000,
      preemptionPolicy: 'Never',
    });
    const { spec } = await registry.create(podKind, pod('a', { priorityClassName: 'high' }));
    assert.equal(spec?.priority, 1000);
    assert.equal(spec?.preemptionPolicy, 'Never');
  });

  test('without a class the default one counts, or none', async () => {
    await using fixture = await open();
    const { registry } = fixture;
    const plain = await registry.create(podKind, pod('a'));
    assert.deepEqual(
      [plain.spec?.priority, plain.spec?.preemptionPolicy, plain.spec?.priorityClassName],
      [0, 'PreemptLowerPriority', undefined],
    );
    await fixture.createSeen(priorityClassKind, {
      metadata: { name: 'usual' },
      value: 7,
      globalDefault: true,
    });
    const later = await registry.create(podKind, pod('b'));
    assert.deepEqual([later.spec?.priority, later.spec?.priorityClassName], [7, 'usual']);
  });

  test('a number of its own, another policy or an unknown class is refused', async () => {
    await using fixture = await open();
    const { registry } = fixture;
    await assert.rejects(
      registry.create(podKind, pod('a', { priorityClassName: 'none' })),
      refused('Forbidden', 'pods "a" is forbidden: no PriorityClass with name none was found'),
    );
    await assert.rejects(
      registry.create(podKind, pod('a', { priority: 5 })),
      refused('Forbidden', /the integer value of priority \(5\) must not be provided in pod spec/),
    );
    await assert.rejects(
      registry.create(podKind, pod('a', { preemptionPolicy: 'Never' })),
      refused('Forbidden', /the string value of PreemptionPolicy \(Never\) must not be provided/),
    );
  });

  test('an update may leave out what was set for it', async () => {
    await using fixture = await open();
    const { registry } = fixture;
    const { spec } = await registry.create(podKind, pod('a'));
    const { priority: _priority, preemptionPolicy: _policy, ...rest } = spec ?? { containers: [] };
    const metadata = { namespace: 'default', name: 'a', labels: { a: 'b' } };
    const after = await registry.update(podKind, { metadata, spec: rest });
    assert.deepEqual(after.spec, spec);
  });

  test('there is one default class', async () => {
    await using fixture = await open();
    await fixture.createSeen(priorityClassKind, { metadata: { name: 'a' }, value: 1, globalDefault: true });
    await assert.rejects(
      fixture.registry.create(priorityClassKind, { metadata: { name: 'b' }, value: 2, globalDefault: true }),
      refused('Forbidden', /PriorityClass a is already marked as globalDefault$/),
    );
    await fixture.registry.mutate(priorityClassKind, { name: 'a' }, (draft) => {
      draft.description = 'the usual';
    });
  });

  test('the classes of the system are there, and stay when they are', async () => {
    await using fixture = await open();
    for (const _start of [1, 2]) await ensureSystemPriorityClasses(fixture.registry);
    const { items } = await fixture.registry.list(priorityClassKind);
    assert.deepEqual(
      items.map(({ metadata, value }) => [metadata?.name, value]),
      [
        ['system-cluster-critical', 2_000_000_000],
        ['system-node-critical', 2_000_001_000],
      ],
    );
  });
});
