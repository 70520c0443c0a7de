import { describe } from 'node:test';
import { csiDriverKind } from '../../../../../protocol/kinds/csi-driver.ts';
import { csiNodeKind } from '../../../../../protocol/kinds/csi-node.ts';
import { csiStorageCapacityKind } from '../../../../../protocol/kinds/csi-storage-capacity.ts';
import { persistentVolumeKind } from '../../../../../protocol/kinds/persistent-volume.ts';
import { persistentVolumeClaimKind } from '../../../../../protocol/kinds/persistent-volume-claim.ts';
import { storageClassKind } from '../../../../../protocol/kinds/storage-class.ts';
import { volumeAttachmentKind } from '../../../../../protocol/kinds/volume-attachment.ts';
import { volumeAttributesClassKind } from '../../../../../protocol/kinds/volume-attributes-class.ts';
import { notNegative, refuses, refusesChange, subdomain } from './refusals.ts';

const metadata = { name: 's' };
const modes = '"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"';

describe('volumes', () => {
  const volume = {
    metadata,
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/a' } },
  };
  refuses(persistentVolumeKind, volume, [
    ['spec.accessModes', [], 'spec.accessModes: Required value'],
    ['spec.accessModes', ['Any'], `spec.accessModes: Unsupported value: "Any": supported values: ${modes}`],
    [
      'spec.accessModes',
      ['ReadWriteOnce', 'ReadWriteOncePod'],
      'spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes',
    ],
    [
      'spec.capacity',
      undefined,
      'spec.capacity: Required value',
      'spec.capacity: Unsupported value: null: supported values: "storage"',
    ],
    [
      'spec.capacity',
      { storage: '1', cpu: '1' },
      'spec.capacity: Unsupported value: {"storage":"1","cpu":"1"}: supported values: "storage"',
    ],
    [
      'spec.capacity',
      { storage: '0' },
      'spec.capacity[storage]: Invalid value: "0": must be greater than zero',
    ],
    [
      'spec.persistentVolumeReclaimPolicy',
      'Burn',
      'spec.persistentVolumeReclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Recycle", "Retain"',
    ],
    ['spec.hostPath', undefined, 'spec: Required value: must specify a volume type'],
    ['spec.hostPath', { path: '' }, 'spec.hostPath.path: Required value'],
    [
      'spec.hostPath',
      { path: '/a/../b' },
      'spec.hostPath.path: Invalid value: "/a/../b": must not contain \'..\'',
    ],
    ['spec.nfs', { server: 's', path: '/' }, 'spec.nfs: Forbidden: may not specify more than 1 volume type'],
    [
      'spec.nodeAffinity',
      {},
      'spec.nodeAffinity.required: Required value: must specify required node constraints',
    ],
    [
      'spec.nodeAffinity',
      { required: { nodeSelectorTerms: [] } },
      'spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term',
    ],
    [
      'spec.volumeMode',
      'Tape',
      'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"',
    ],
    ['spec.storageClassName', 'A', `spec.storageClassName: Invalid value: "A": ${subdomain}`],
    [
      'spec.volumeAttributesClassName',
      '',
      'spec.volumeAttributesClassName: Required value: an empty string is disallowed',
      'spec.csi: Required value: has to be specified when using volumeAttributesClassName',
    ],
  ]);
  const other = (source: object) => ({
    metadata,
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1' }, ...source },
  });
  const nodeAffinity = {
    required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }] },
  };
  refuses(persistentVolumeKind, other({ local: { path: '/a' }, nodeAffinity }), [
    [
      'spec.nodeAffinity',
      undefined,
      'metadata.annotations: Required value: Local volume requires node affinity',
    ],
    [
      'spec.nodeAffinity.required.nodeSelectorTerms.0',
      { matchFields: [{ key: 'spec.x', operator: 'In', values: ['a'] }] },
      'spec.nodeAffinity.required.nodeSelectorTerms[0].matchFields[0].key: Invalid value: "spec.x": not a valid field selector key',
    ],
  ]);
  refuses(persistentVolumeKind, other({ csi: { driver: 'd', volumeHandle: 'v' } }), [
    ['spec.csi.driver', '', 'spec.csi.driver: Required value'],
    ['spec.csi.driver', 'd'.repeat(64), 'spec.csi.driver: Too long: may not be more than 63 bytes'],
    ['spec.csi.volumeHandle', '', 'spec.csi.volumeHandle: Required value'],
  ]);
  refuses(persistentVolumeKind, other({ nfs: { server: 's', path: '/a' } }), [
    [
      'spec.nfs',
      { path: 'a' },
      'spec.nfs.server: Required value',
      'spec.nfs.path: Invalid value: "a": must be an absolute path',
    ],
  ]);
  refusesChange(persistentVolumeKind, other({ local: { path: '/a' }, nodeAffinity }), [
    [
      'spec.local.path',
      '/b',
      'spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation',
    ],
    ['spec.volumeMode', 'Block', 'volumeMode: Invalid value: "Block": field is immutable'],
    ['spec.nodeAffinity', undefined, 'nodeAffinity: Invalid value: null: field is immutable'],
  ]);
});

describe('claims', () => {
  const claim = {
    metadata: { ...metadata, namespace: 'here' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  const fixed =
    'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
  const size = 'spec.resources.requests.storage';
  refuses(persistentVolumeClaimKind, claim, [
    ['spec.accessModes', [], 'spec.accessModes: Required value: at least 1 access mode is required'],
    ['spec.resources', {}, 'spec.resources[storage]: Required value'],
    [size, '0', 'spec.resources[storage]: Invalid value: "0": must be greater than zero'],
    ['spec.selector', { matchLabels: { a: 'x y' } }, /^spec.selector.matchLabels: Invalid value: "x y"/],
    [
      'spec.volumeMode',
      'Tape',
      'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"',
    ],
    [
      'spec.dataSourceRef',
      { kind: 'Pod', name: 'p' },
      'spec.dataSourceRef: Invalid value: "Pod": must be \'PersistentVolumeClaim\' when referencing the default apiGroup',
    ],
    ['spec.dataSourceRef', { kind: 'PersistentVolumeClaim' }, 'spec.dataSourceRef.name: Required value'],
    [
      'spec.dataSourceRef',
      { apiGroup: 'A', kind: 'K', name: 'n' },
      `spec.dataSourceRef.apiGroup: Invalid value: "A": ${subdomain}`,
    ],
    ['spec.storageClassName', 'A', `spec.storageClassName: Invalid value: "A": ${subdomain}`],
  ]);
  const copied = {
    ...claim,
    spec: { ...claim.spec, dataSource: { kind: 'PersistentVolumeClaim', name: 'a' } },
  };
  refuses(persistentVolumeClaimKind, copied, [
    [
      'spec.dataSourceRef',
      { kind: 'PersistentVolumeClaim', name: 'b' },
      'spec: Invalid value: {}: must match dataSourceRef',
    ],
  ]);
  refusesChange(persistentVolumeClaimKind, { ...claim, spec: { ...claim.spec, storageClassName: 'a' } }, [
    ['spec.accessModes', ['ReadOnlyMany'], fixed],
    [size, '2Gi', fixed],
    ['spec.storageClassName', 'b', fixed],
    ['spec.volumeName', 'v'],
  ]);
});

describe('classes and drivers', () => {
  const sort = { metadata, provisioner: 'a.com/b' };
  refuses(storageClassKind, sort, [
    ['provisioner', '', 'provisioner: Required value'],
    ['provisioner', 'a b', /^provisioner: Invalid value: "a b": name part must consist/],
    [
      'reclaimPolicy',
      'Recycle',
      'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
    ],
    [
      'volumeBindingMode',
      'Later',
      'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"',
    ],
    ['parameters', { '': 'a' }, 'parameters: Invalid value: "": field can not be empty.'],
    ['parameters', { a: 'x'.repeat(256 * 1024) }, 'parameters: Too long: may not be more than 262144 bytes'],
    [
      'parameters',
      Object.fromEntries(Array.from({ length: 513 }, (_, index) => [`k${index}`, ''])),
      'parameters: Too long: may not be more than 512 bytes',
    ],
    [
      'allowedTopologies',
      [{ matchLabelExpressions: [{ key: 'a', values: [] }] }],
      'allowedTopologies[0].matchLabelExpressions[0].values: Required value',
    ],
    [
      'allowedTopologies',
      [{ matchLabelExpressions: [{ key: 'a', values: ['b', 'b'] }] }],
      'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "b"',
    ],
  ]);
  refusesChange(storageClassKind, sort, [
    ['provisioner', 'c', 'provisioner: Forbidden: updates to provisioner are forbidden.'],
    ['parameters', { a: 'b' }, 'parameters: Forbidden: updates to parameters are forbidden.'],
    ['reclaimPolicy', 'Retain', 'reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.'],
    [
      'volumeBindingMode',
      'WaitForFirstConsumer',
      'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
    ],
    ['allowVolumeExpansion', true],
  ]);
  refuses(volumeAttributesClassKind, { metadata, driverName: 'd', parameters: { a: 'b' } }, [
    ['driverName', '', 'driverName: Required value'],
    ['parameters', {}, 'parameters: Required value: must contain at least one key/value pair'],
  ]);
  refusesChange(volumeAttributesClassKind, { metadata, driverName: 'd', parameters: { a: 'b' } }, [
    ['driverName', 'e', 'driverName: Forbidden: updates to driverName are forbidden.'],
    ['parameters.a', 'c', 'parameters: Forbidden: updates to parameters are forbidden.'],
  ]);
  refuses(csiDriverKind, { metadata, spec: {} }, [
    ['metadata.name', 'd'.repeat(64), 'name: Too long: may not be more than 63 bytes'],
    [
      'spec.fsGroupPolicy',
      'Any',
      'spec.fsGroupPolicy: Unsupported value: "Any": supported values: "File", "None", "ReadWriteOnceWithFSType"',
    ],
    [
      'spec.volumeLifecycleModes',
      ['Short'],
      'spec.volumeLifecycleModes: Unsupported value: "Short": supported values: "Ephemeral", "Persistent"',
    ],
    [
      'spec.tokenRequests',
      [{ audience: 'a' }, { audience: 'a' }],
      'spec.tokenRequests[1].audience: Duplicate value: "a"',
    ],
    [
      'spec.tokenRequests',
      [{ audience: 'a', expirationSeconds: 599 }],
      'spec.tokenRequests[0].expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
    ],
  ]);
  refusesChange(csiDriverKind, { metadata, spec: {} }, [
    ['spec.attachRequired', false, 'spec.attachedRequired: Invalid value: false: field is immutable'],
    [
      'spec.volumeLifecycleModes',
      ['Ephemeral'],
      'spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable',
    ],
    ['spec.podInfoOnMount', true],
  ]);
  const driver = { name: 'd', nodeID: 'n', topologyKeys: ['a'] };
  refuses(csiNodeKind, { metadata, spec: { drivers: [driver] } }, [
    ['spec.drivers.0.name', '', 'spec.drivers[0].name: Required value'],
    ['spec.drivers.0.nodeID', '', 'spec.drivers[0].nodeID: Required value'],
    ['spec.drivers.1', driver, 'spec.drivers[1].name: Duplicate value: "d"'],
  ]);
  const place = { metadata: { ...metadata, namespace: 'here' }, storageClassName: 'a' };
  refuses(csiStorageCapacityKind, place, [
    ['storageClassName', '', 'storageClassName: Required value'],
    ['capacity', '-1', `capacity: Invalid value: "-1": ${notNegative}`],
    ['nodeTopology', { matchLabels: { a: 'x y' } }, /^nodeTopology.matchLabels: Invalid value: "x y"/],
  ]);
  refusesChange(csiStorageCapacityKind, place, [
    ['storageClassName', 'b', 'storageClassName: Invalid value: "b": field is immutable'],
    ['nodeTopology', {}, 'nodeTopology: Invalid value: {}: field is immutable'],
  ]);
  const attachment = {
    metadata,
    spec: { attacher: 'd', nodeName: 'n', source: { persistentVolumeName: 'v' } },
  };
  const one = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  refuses(volumeAttachmentKind, attachment, [
    ['spec.attacher', '', 'spec.attacher: Required value'],
    ['spec.attacher', 'a b', `spec.attacher: Invalid value: "a b": ${subdomain}`],
    ['spec.nodeName', '', 'spec.nodeName: Required value'],
    ['spec.source', {}, `spec.source: Required value: ${one}`],
    ['spec.source.inlineVolumeSpec', {}, `spec.source: Forbidden: ${one}`],
  ]);
});
