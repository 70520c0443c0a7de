import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitRangeKind } from '../../../../protocol/kinds/limit-range.ts';
import { persistentVolumeKind } from '../../../../protocol/kinds/persistent-volume.ts';
import { persistentVolumeClaimKind } from '../../../../protocol/kinds/persistent-volume-claim.ts';
import { priorityClassKind } from '../../../../protocol/kinds/priority-class.ts';
import { resourceQuotaKind } from '../../../../protocol/kinds/resource-quota.ts';
import { storageClassKind } from '../../../../protocol/kinds/storage-class.ts';
import { admit, faults, row, updateFaults } from './admit.ts';

const metadata = { name: 'data', namespace: 'here' };
const claim = {
  metadata,
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '2Gi' } } },
};
const immutableClaim =
  'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

test('a claim is for a file system, and pending', () => {
  const { spec, status } = admit(persistentVolumeClaimKind, claim);
  assert.equal(spec?.volumeMode, 'Filesystem');
  assert.deepEqual(status, { phase: 'Pending' });
});

test('a claim says how and how much', () => {
  assert.deepEqual(faults(persistentVolumeClaimKind, { metadata, spec: {} }), [
    'spec.accessModes: Required value: at least 1 access mode is required',
    'spec.resources[storage]: Required value',
  ]);
  const spec = { ...claim.spec, accessModes: ['ReadWriteOncePod', 'Often'], volumeMode: 'Tape' };
  assert.deepEqual(faults(persistentVolumeClaimKind, { metadata, spec }), [
    'spec.accessModes: Unsupported value: "Often": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
    'spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes',
    'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"',
  ]);
});

test('a claim is given its volume and class once; a bound one may grow, not shrink below what it has', () => {
  const resize = (storage: string) => (next: typeof claim) => {
    next.spec.resources.requests.storage = storage;
  };
  const change = (fields: object) => (next: object) => Object.assign((next as typeof claim).spec, fields);
  assert.deepEqual(updateFaults(persistentVolumeClaimKind, claim, resize('3Gi') as never), [immutableClaim]);
  assert.deepEqual(
    updateFaults(persistentVolumeClaimKind, claim, change({ volumeName: 'v', storageClassName: 'c' })),
    [],
  );
  const given = { ...claim, spec: { ...claim.spec, volumeName: 'v' } };
  assert.deepEqual(updateFaults(persistentVolumeClaimKind, given, change({ volumeName: 'w' })), [
    immutableClaim,
  ]);

  const bound = { ...given, status: { phase: 'Bound', capacity: { storage: '2Gi' } } };
  const update = (storage: string) => {
    const next = structuredClone(bound);
    next.spec.resources.requests.storage = storage;
    return (persistentVolumeClaimKind.validateUpdate?.(next, bound) ?? []).map(({ message }) => message);
  };
  assert.deepEqual(update('3Gi'), []);
  assert.deepEqual(update('1Gi'), ['Forbidden: field can not be less than status.capacity']);
});

test('a volume has one source, which stays', () => {
  const spec = { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/data' } };
  const volume = { metadata: { name: 'v' }, spec };
  assert.deepEqual(faults(persistentVolumeKind, volume), []);
  const { hostPath: _, ...nowhere } = spec;
  assert.deepEqual(faults(persistentVolumeKind, { ...volume, spec: nowhere }), [
    'spec: Required value: must specify a volume type',
  ]);
  const two = { ...spec, nfs: { server: 's', path: 'x' } };
  assert.deepEqual(faults(persistentVolumeKind, { ...volume, spec: two }), [
    'spec.nfs: Forbidden: may not specify more than 1 volume type',
    'spec.nfs.path: Invalid value: "x": must be an absolute path',
  ]);
  const local = { ...nowhere, local: { path: '/x' } };
  assert.deepEqual(faults(persistentVolumeKind, { ...volume, spec: local }), [
    'metadata.annotations: Required value: Local volume requires node affinity',
  ]);
});

test('a storage class is what it was; the default one says so', () => {
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  const storage = { metadata: { name: 'fast', annotations }, provisioner: 'a.com/b' };
  assert.equal(row(storageClassKind, storage)['Name'], 'fast (default)');
  const change = (fields: object) =>
    updateFaults(storageClassKind, storage, (next) => Object.assign(next, fields));
  assert.deepEqual(change({ reclaimPolicy: 'Retain' }), [
    'reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.',
  ]);
  assert.deepEqual(change({ volumeBindingMode: 'WaitForFirstConsumer' }), [
    'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
  ]);
  assert.deepEqual(change({ allowVolumeExpansion: true }), []);
});

test('a quota counts in whole numbers of what it knows, under scopes that agree', () => {
  const spec = {
    hard: { pods: '1.5', cpu: '-1', colour: '1', 'count/jobs.batch': '2' },
    scopes: ['BestEffort', 'NotBestEffort', 'Often'],
  };
  assert.deepEqual(faults(resourceQuotaKind, { metadata, spec }), [
    'spec.hard[pods]: Invalid value: "1.5": must be an integer',
    'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    'spec.hard[colour]: Invalid value: "colour": must be a standard resource type or fully qualified',
    'spec.hard[colour]: Invalid value: "colour": must be a standard resource for quota',
    'spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Often"]: unsupported scope applied to resource',
    'spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Often"]: unsupported scope',
    'spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Often"]: conflicting scopes',
  ]);
  const shown = row(resourceQuotaKind, {
    metadata,
    status: { hard: { pods: '4', 'limits.cpu': '2', cpu: '1' }, used: { pods: '1' } },
  });
  assert.deepEqual([shown['Request'], shown['Limit']], ['cpu: 0/1, pods: 1/4', 'limits.cpu: 0/2']);
});

test('a limit range fills in what follows from its bounds, and refuses bounds that contradict', () => {
  const item = { type: 'Container', max: { cpu: '2' }, min: { cpu: '1', memory: '1Mi' } };
  const [filled] = admit(limitRangeKind, { metadata, spec: { limits: [item] } }).spec?.limits ?? [];
  assert.deepEqual(filled?.default, { cpu: '2' });
  assert.deepEqual(filled?.defaultRequest, { cpu: '2', memory: '1Mi' });
  const limits = [
    { type: 'Pod', max: { cpu: '1' }, min: { cpu: '2' }, default: { cpu: '1' } },
    { type: 'Pod' },
    { type: 'PersistentVolumeClaim' },
  ];
  assert.deepEqual(faults(limitRangeKind, { metadata, spec: { limits } }), [
    "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
    'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
    'spec.limits[1].type: Duplicate value: "Pod"',
    'spec.limits[2].limits: Required value: either minimum or maximum storage value is required, but neither was provided',
  ]);
});

test('the highest priorities are for the system', () => {
  const named = (name: string, value: number) => faults(priorityClassKind, { metadata: { name }, value });
  assert.deepEqual(named('system-node-critical', 2_000_001_000), []);
  assert.deepEqual(named('high', 1_000_000_001), [
    'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
  ]);
  assert.match(named('system-mine', 1)[0] ?? '', /prefix are reserved for system use only/);
});
