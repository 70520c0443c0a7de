import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ResourceQuotaSpec } from '../../../../../protocol/generated/models.ts';
import { configMapKind } from '../../../../../protocol/kinds/config-map.ts';
import { persistentVolumeClaimKind } from '../../../../../protocol/kinds/persistent-volume-claim.ts';
import { podKind } from '../../../../../protocol/kinds/pod.ts';
import { resourceQuotaKind } from '../../../../../protocol/kinds/resource-quota.ts';
import { serviceKind } from '../../../../../protocol/kinds/service.ts';
import { resourceQuota } from '../../../../../server/admission/plugins/resource-quota.ts';
import { one } from '../../../../../server/admission/quota/amounts.ts';
import type { Usage } from '../../../../../server/admission/quota/usage.ts';
import { eventually } from '../../../../support/eventually.ts';
import { ManualClock } from '../../../../support/manual-clock.ts';
import { refused } from '../../registry/registry-fixture.ts';
import { type AdmissionFixture, openAdmission, pod } from '../admission-fixture.ts';

async function open(spec: ResourceQuotaSpec): Promise<AdmissionFixture> {
  const fixture = await openAdmission({ plugins: [resourceQuota] });
  await addQuota(fixture, 'q', spec);
  return fixture;
}

function addQuota(fixture: AdmissionFixture, name: string, spec: ResourceQuotaSpec) {
  return fixture.createSeen(resourceQuotaKind, { metadata: { namespace: 'default', name }, spec });
}

function usedOf(fixture: AdmissionFixture, name = 'q'): Record<string, string> | undefined {
  const quota = fixture.cache.informer(resourceQuotaKind).get('default', name);
  return quota && fixture.quotas.usedOf(quota);
}

const sized = (requests: object, limits: object = {}) => ({
  containers: [{ name: 'a', image: 'a', resources: { requests, limits } }],
});

describe('ResourceQuota', () => {
  test('what would pass the limit is refused, with what was asked for, used and allowed', async () => {
    await using fixture = await open({ hard: { pods: '2', 'requests.memory': '1Gi' } });
    const { registry } = fixture;
    await registry.create(podKind, pod('a', sized({ memory: '512Mi' })));
    await assert.rejects(
      registry.create(podKind, pod('b', sized({ memory: '600Mi' }))),
      refused(
        'Forbidden',
        'pods "b" is forbidden: exceeded quota: q, requested: requests.memory=600Mi, used: requests.memory=512Mi, limited: requests.memory=1Gi',
      ),
    );
    await registry.create(podKind, pod('b', sized({ memory: '512Mi' })));
    await assert.rejects(
      registry.create(podKind, pod('c', sized({ memory: '1Mi' }))),
      refused(
        'Forbidden',
        /requested: pods=1,requests.memory=1Mi, used: pods=2,requests.memory=1Gi, limited: pods=2,requests.memory=1Gi$/,
      ),
    );
    await registry.create(podKind, pod('c', sized({ memory: '1Gi' }), { namespace: 'other' }));
  });

  test('of many creates at once exactly as many succeed as there is room', async () => {
    await using fixture = await open({ hard: { pods: '5' } });
    const creates = Array.from({ length: 40 }, (_, index) =>
      fixture.registry.create(podKind, pod(`p${index}`)),
    );
    const made = (await Promise.allSettled(creates)).filter(({ status }) => status === 'fulfilled');
    assert.equal(made.length, 5);
    await eventually(() => usedOf(fixture)?.pods === '5', 'five pods counted');
  });

  test('neither a dry run nor a write that fails uses anything', async () => {
    await using fixture = await open({ hard: { pods: '2' } });
    const { registry } = fixture;
    for (let count = 0; count < 3; count += 1) await registry.create(podKind, pod('dry'), { dryRun: true });
    await registry.create(podKind, pod('a'));
    for (let count = 0; count < 3; count += 1)
      await assert.rejects(registry.create(podKind, pod('a')), refused('AlreadyExists', /already exists/));
    await registry.create(podKind, pod('b'));
  });

  test('what is gone or over makes room', async () => {
    await using fixture = await open({ hard: { pods: '1', 'count/pods': '2' } });
    const { registry } = fixture;
    await registry.create(podKind, pod('a'));
    const end = (draft: { status?: object }) => void (draft.status = { ...draft.status, phase: 'Succeeded' });
    await registry.mutate(podKind, { namespace: 'default', name: 'a' }, end, { subresource: 'status' });
    await eventually(() => usedOf(fixture)?.pods === '0', 'an ended pod is not counted');
    await registry.create(podKind, pod('b'));
    await eventually(() => usedOf(fixture)?.['count/pods'] === '2', 'both objects are counted');
    await registry.delete(podKind, { namespace: 'default', name: 'b' });
    await eventually(() => usedOf(fixture)?.pods === '0', 'a deleted pod is not counted');
    await registry.create(podKind, pod('c'));
  });

  test('where cpu or memory is limited every container must say how much it takes', async () => {
    await using fixture = await open({ hard: { 'limits.cpu': '1', 'requests.memory': '1Gi', pods: '9' } });
    const named = (name: string) => ({ name, image: 'a' });
    await assert.rejects(
      fixture.registry.create(podKind, pod('a', { containers: [named('a'), named('b')] })),
      refused(
        'Forbidden',
        'pods "a" is forbidden: failed quota: q: must specify limits.cpu for: a,b; requests.memory for: a,b',
      ),
    );
  });

  test('scopes say which pods a quota is for', async () => {
    await using fixture = await open({ hard: { pods: '0' }, scopes: ['BestEffort'] });
    const match = (scopeName: string, operator: string, values?: string[]) => ({
      hard: { pods: '0' },
      scopeSelector: { matchExpressions: [{ scopeName, operator, ...(values ? { values } : {}) }] },
    });
    await addQuota(fixture, 'high', match('PriorityClass', 'In', ['high']));
    await addQuota(fixture, 'far', match('CrossNamespacePodAffinity', 'Exists'));
    await addQuota(fixture, 'jobs', { hard: { pods: '0' }, scopes: ['Terminating'] });
    const refuses = (spec: object, quota: string) =>
      assert.rejects(
        fixture.registry.create(podKind, pod('a', spec)),
        refused('Forbidden', new RegExp(`exceeded quota: ${quota}, requested: pods=1`)),
      );
    const burstable = sized({ memory: '1Mi' });
    await refuses({}, 'q');
    await refuses({ ...burstable, priorityClassName: 'high' }, 'high');
    await refuses({ ...burstable, activeDeadlineSeconds: 5 }, 'jobs');
    const podAffinityTerm = { topologyKey: 'a', labelSelector: {}, namespaces: ['other'] };
    const podAntiAffinity = {
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm }],
    };
    await refuses({ ...burstable, affinity: { podAntiAffinity } }, 'far');
    await fixture.registry.create(podKind, pod('a', { ...burstable, priorityClassName: 'low' }));
  });

  test('services are counted by kind, and again when they change into another', async () => {
    await using fixture = await open({
      hard: { services: '3', 'services.nodeports': '2', 'services.loadbalancers': '1' },
    });
    const { registry } = fixture;
    const service = (name: string, type: string, ports: number) => ({
      metadata: { namespace: 'default', name },
      spec: {
        type,
        ports: Array.from({ length: ports }, (_, index) => ({ name: `p${index}`, port: 80 + index })),
      },
    });
    await registry.create(serviceKind, service('a', 'ClusterIP', 3));
    await registry.create(serviceKind, service('b', 'LoadBalancer', 1));
    await assert.rejects(
      registry.create(serviceKind, service('c', 'LoadBalancer', 1)),
      refused('Forbidden', /requested: services.loadbalancers=1, used: services.loadbalancers=1/),
    );
    const toNodePort = (draft: { spec?: { type?: string } }) => void ((draft.spec ??= {}).type = 'NodePort');
    await assert.rejects(
      registry.mutate(serviceKind, { namespace: 'default', name: 'a' }, toNodePort),
      refused('Forbidden', /requested: services.nodeports=3, used: services.nodeports=1/),
    );
  });

  test('claims are counted with their size, in all and by class', async () => {
    await using fixture = await open({
      hard: { 'requests.storage': '10Gi', 'fast.storageclass.storage.k8s.io/requests.storage': '1Gi' },
    });
    const claim = (name: string, storage: string, storageClassName: string) => ({
      metadata: { namespace: 'default', name },
      spec: { storageClassName, accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
    });
    await fixture.registry.create(persistentVolumeClaimKind, claim('a', '8Gi', 'slow'));
    await assert.rejects(
      fixture.registry.create(persistentVolumeClaimKind, claim('b', '2Gi', 'fast')),
      refused('Forbidden', /requested: fast.storageclass.storage.k8s.io\/requests.storage=2Gi/),
    );
    await assert.rejects(
      fixture.registry.create(persistentVolumeClaimKind, claim('b', '3Gi', 'slow')),
      refused('Forbidden', /requested: requests.storage=3Gi, used: requests.storage=8Gi/),
    );
  });

  test('any kind can be counted, and a changed limit holds at once', async () => {
    await using fixture = await open({ hard: { 'count/configmaps': '1' } });
    const { registry } = fixture;
    const create = (name: string) =>
      registry.create(configMapKind, { metadata: { namespace: 'default', name } });
    await create('a');
    await assert.rejects(
      create('b'),
      refused('Forbidden', /exceeded quota: q, requested: count\/configmaps=1/),
    );
    const at = { namespace: 'default', name: 'q' };
    await registry.mutate(resourceQuotaKind, at, (draft) => {
      (draft.spec ??= {}).hard = { configmaps: '2' };
    });
    await eventually(() => usedOf(fixture)?.configmaps === '1', 'the new limit is known');
    await create('b');
    await assert.rejects(create('c'), refused('Forbidden', /requested: configmaps=1, used: configmaps=2/));
    await registry.delete(resourceQuotaKind, at);
    await eventually(() => fixture.quotas.accounts('default').length === 0, 'the quota is gone');
    await create('c');
  });

  test('what was let through and never came is let go after a while; what is there is not', async () => {
    const clock = new ManualClock();
    await using fixture = await openAdmission({ plugins: [resourceQuota], clock });
    const quota = await addQuota(fixture, 'q', { hard: { pods: '9' } });
    const [account] = fixture.quotas.accounts('default');
    assert.ok(account);
    const there = await fixture.createSeen(podKind, pod('there'));
    const delta: Usage = new Map([['pods', one]]);
    const reserve = (name: string, uid: string) =>
      account.reserve({
        kind: podKind,
        at: { namespace: 'default', name },
        uid,
        delta,
        afterRevision: 1e9,
        sinceMs: 0,
      });
    reserve('gone', 'x');
    reserve('there', there.metadata?.uid ?? '');
    await fixture.quotas.releaseStale(quota);
    assert.equal(account.reservations.size, 2, 'not at once');
    await clock.advance(30_000);
    await fixture.quotas.releaseStale(quota);
    assert.deepEqual(
      [...account.reservations].map(({ at }) => at.name),
      ['there'],
    );
  });
});
