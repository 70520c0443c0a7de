import { describe } from 'node:test';
import { configMapKind } from '../../../../../protocol/kinds/config-map.ts';
import { eventKind } from '../../../../../protocol/kinds/event.ts';
import { limitRangeKind } from '../../../../../protocol/kinds/limit-range.ts';
import { namespaceKind } from '../../../../../protocol/kinds/namespace.ts';
import { nodeKind } from '../../../../../protocol/kinds/node.ts';
import { podTemplateKind } from '../../../../../protocol/kinds/pod-template.ts';
import { replicationControllerKind } from '../../../../../protocol/kinds/replication-controller.ts';
import { resourceQuotaKind } from '../../../../../protocol/kinds/resource-quota.ts';
import { secretKind } from '../../../../../protocol/kinds/secret.ts';
import { serviceAccountKind } from '../../../../../protocol/kinds/service-account.ts';
import { label, notNegative, refuses, refusesChange, subdomain } from './refusals.ts';

const metadata = { name: 's', namespace: 'here' };
const unscoped = { name: 's' };
const configKey =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const base64 = (text: string) => Buffer.from(text).toString('base64');
const frozen = 'Forbidden: field is immutable when `immutable` is set';

describe('metadata, of every kind', () => {
  const long = 'x'.repeat(64);
  refuses(configMapKind, { metadata }, [
    ['metadata.name', 'A', `metadata.name: Invalid value: "A": ${subdomain}`],
    [
      'metadata.name',
      'a'.repeat(254),
      `metadata.name: Invalid value: "${'a'.repeat(254)}": must be no more than 253 bytes`,
    ],
    ['metadata.generateName', 'A-', `metadata.generateName: Invalid value: "A-": ${subdomain}`],
    [
      'metadata.labels',
      { [long]: '' },
      `metadata.labels: Invalid value: "${long}": name part must be no more than 63 bytes`,
    ],
    [
      'metadata.labels',
      { a: long },
      `metadata.labels: Invalid value: "${long}": must be no more than 63 bytes`,
    ],
    ['metadata.labels', { '/a': '' }, 'metadata.labels: Invalid value: "/a": prefix part must be non-empty'],
    ['metadata.labels', { 'A/a': '' }, `metadata.labels: Invalid value: "A/a": prefix part ${subdomain}`],
    [
      'metadata.annotations',
      { a: 'x'.repeat(256 * 1024) },
      'metadata.annotations: Too long: may not be more than 262144 bytes',
    ],
    [
      'metadata.annotations',
      { '': 'x' },
      /^metadata.annotations: Invalid value: "": name part must be non-empty/,
      /^metadata.annotations: Invalid value: "": name part must consist/,
    ],
    [
      'metadata.finalizers',
      ['a b/c'],
      `metadata.finalizers[0]: Invalid value: "a b/c": prefix part ${subdomain}`,
    ],
    [
      'metadata.finalizers',
      ['orphan', 'foregroundDeletion'],
      'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
    ],
    [
      'metadata.ownerReferences',
      [{}],
      'metadata.ownerReferences[0].kind: Invalid value: "": must not be empty',
      'metadata.ownerReferences[0].name: Invalid value: "": must not be empty',
      'metadata.ownerReferences[0].uid: Invalid value: "": must not be empty',
      'metadata.ownerReferences[0].apiVersion: Invalid value: "": version must not be empty',
    ],
    [
      'metadata.ownerReferences',
      ['a', 'b'].map((name) => ({ apiVersion: 'v1', kind: 'Pod', name, uid: name, controller: true })),
      /^metadata.ownerReferences: Invalid value: .*: Only one reference can have Controller set to true. Found "true" in references for Pod and Pod$/,
    ],
    [
      'metadata.ownerReferences',
      [{ apiVersion: 'v1', kind: 'Event', name: 'a', uid: 'u' }],
      /^metadata.ownerReferences\[0\]: Invalid value: .*: \/v1, Kind=Event is disallowed from being an owner$/,
    ],
  ]);
});

describe('config maps and secrets', () => {
  refuses(configMapKind, { metadata, data: { a: 'b' } }, [
    ['data', { 'a/b': '' }, `data[a/b]: Invalid value: "a/b": ${configKey}`],
    ['data', { '..': '' }, 'data[..]: Invalid value: "..": must not be \'..\''],
    ['data', { '..a': '' }, 'data[..a]: Invalid value: "..a": must not start with \'..\''],
    ['binaryData', { a: '' }, 'data[a]: Invalid value: "a": duplicate of key present in binaryData'],
    ['data', { a: 'x'.repeat(1024 * 1024 + 1) }, ': Too long: may not be more than 1048576 bytes'],
  ]);
  refusesChange(configMapKind, { metadata, immutable: true, data: { a: 'b' } }, [
    ['data', { a: 'c' }, `data: ${frozen}`],
    ['binaryData', { b: 'YQ==' }, `binaryData: ${frozen}`],
    ['immutable', undefined, `immutable: ${frozen}`],
  ]);
  refuses(secretKind, { metadata, data: { a: base64('b') } }, [
    ['data', { ' ': '' }, `data[ ]: Invalid value: " ": ${configKey}`],
    ['type', 'kubernetes.io/tls', 'data[tls.crt]: Required value', 'data[tls.key]: Required value'],
    ['type', 'kubernetes.io/ssh-auth', 'data[ssh-privatekey]: Required value'],
    ['type', 'kubernetes.io/basic-auth', 'data[username]: Required value', 'data[password]: Required value'],
    ['type', 'kubernetes.io/dockercfg', 'data[.dockercfg]: Required value'],
    ['type', 'kubernetes.io/dockerconfigjson', 'data[.dockerconfigjson]: Required value'],
    [
      'type',
      'kubernetes.io/service-account-token',
      'metadata.annotations[kubernetes.io/service-account.name]: Required value',
    ],
    [
      'data',
      { a: base64('x'.repeat(1024 * 1024 + 1)) },
      'data: Too long: may not be more than 1048576 bytes',
    ],
  ]);
  const login = {
    metadata,
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': base64('{}') },
  };
  refuses(secretKind, login, [
    [
      'data',
      { '.dockerconfigjson': '' },
      'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input',
    ],
    [
      'data',
      { '.dockerconfigjson': base64('[]') },
      'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array into Go value of type map[string]interface {}',
    ],
  ]);
  refusesChange(secretKind, { metadata, type: 'Opaque' }, [
    ['type', 'mine', 'type: Invalid value: "mine": field is immutable'],
  ]);
  refusesChange(secretKind, { metadata, immutable: true, data: { a: '' } }, [
    ['data', {}, `data: ${frozen}`],
    ['immutable', false, `immutable: ${frozen}`],
  ]);
});

describe('namespaces and accounts', () => {
  refuses(namespaceKind, { metadata: unscoped }, [
    ['metadata.name', 'a.b', 'metadata.name: Invalid value: "a.b": must not contain dots'],
    ['metadata.name', 'A', `metadata.name: Invalid value: "A": ${label}`],
    [
      'spec.finalizers',
      ['mine'],
      'spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
    ],
  ]);
  refusesChange(
    namespaceKind,
    { metadata: unscoped },
    [
      [
        'status.phase',
        'Terminating',
        'status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
      ],
    ],
    'status',
  );
  refuses(serviceAccountKind, { metadata }, [
    ['metadata.name', 'a_b', `metadata.name: Invalid value: "a_b": ${subdomain}`],
  ]);
});

describe('nodes', () => {
  const node = { metadata: unscoped };
  refuses(nodeKind, node, [
    [
      'spec.taints',
      [{ key: 'a b', effect: 'NoSchedule' }],
      /^metadata.taints\[0\].key: Invalid value: "a b": name part must consist/,
    ],
    [
      'spec.taints',
      [{ key: 'a', value: 'x y', effect: 'NoSchedule' }],
      /^metadata.taints\[0\].value: Invalid value: "x y": a valid label must be/,
    ],
    ['spec.taints', [{ key: 'a' }], 'metadata.taints[0].effect: Required value'],
    [
      'spec.podCIDRs',
      ['x'],
      'spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ],
    [
      'spec.podCIDRs',
      ['10.0.0.0/24', '10.0.1.0/24'],
      'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family',
    ],
    [
      'status.capacity',
      { pods: '1500m' },
      'status.capacity.pods: Invalid value: "1500m": must be an integer',
      'status.allocatable.pods: Invalid value: "1500m": must be an integer',
    ],
    [
      'status.capacity',
      { cpu: '-1' },
      `status.capacity.cpu: Invalid value: "-1": ${notNegative}`,
      `status.allocatable.cpu: Invalid value: "-1": ${notNegative}`,
    ],
  ]);
  refusesChange(nodeKind, { metadata: unscoped, spec: { providerID: 'a', podCIDRs: ['10.0.0.0/24'] } }, [
    [
      'spec.providerID',
      'b',
      'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
    ],
    [
      'spec.podCIDRs',
      ['10.0.1.0/24'],
      'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
    ],
  ]);
  const address = { type: 'InternalIP', address: '10.0.0.1' };
  refusesChange(
    nodeKind,
    node,
    [
      [
        'status.addresses',
        [address, address],
        'status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"10.0.0.1"}',
      ],
      [
        'status.allocatable',
        { 'a.com/b': '0.5' },
        'status.allocatable.a.com/b: Invalid value: "0.5": must be an integer',
      ],
      ['spec.providerID', 'ignored here'],
    ],
    'status',
  );
});

describe('quotas and limits', () => {
  const expression = (scopeName: string, operator: string, values?: string[]) => [
    { scopeName, operator, values },
  ];
  const e = 'spec.scopeSelector.matchExpressions';
  refuses(resourceQuotaKind, { metadata, spec: { hard: { pods: '1' } } }, [
    [
      'spec.hard',
      { 'a b': '1' },
      /^spec.hard\[a b\]: Invalid value: "a b": name part must consist/,
      /must be a standard resource for quota$/,
    ],
    [
      'spec.hard',
      { gold: '1' },
      'spec.hard[gold]: Invalid value: "gold": must be a standard resource type or fully qualified',
      'spec.hard[gold]: Invalid value: "gold": must be a standard resource for quota',
    ],
    [
      'spec.hard',
      { storage: '1' },
      'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota',
    ],
    [
      'spec.hard',
      { 'count/jobs.batch': '0.5' },
      'spec.hard[count/jobs.batch]: Invalid value: "0.5": must be an integer',
    ],
    ['spec.scopes', ['Often'], 'spec.scopes: Invalid value: ["Often"]: unsupported scope'],
    [
      'spec.scopes',
      ['Terminating', 'NotTerminating'],
      'spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes',
    ],
    [e, expression('Often', 'Exists'), `${e}.scopeName: Invalid value: "Often": unsupported scope`],
    [
      e,
      expression('PriorityClass', 'In'),
      `${e}.values: Required value: must be at least one value when \`operator\` is 'In' or 'NotIn' for scope selector`,
    ],
    [
      e,
      expression('PriorityClass', 'Exists', ['a']),
      `${e}.values: Invalid value: ["a"]: must be no value when \`operator\` is 'Exist' or 'DoesNotExist' for scope selector`,
    ],
    [
      e,
      expression('PriorityClass', 'Is', ['a']),
      `${e}.operator: Invalid value: "Is": not a valid selector operator`,
    ],
    [
      e,
      expression('Terminating', 'DoesNotExist'),
      /^spec.scopeSelector.matchExpressions.operator: Invalid value: "DoesNotExist": must be 'Exists' when scope is any of ResourceQuotaScopeTerminating,/,
    ],
  ]);
  refuses(resourceQuotaKind, { metadata, spec: { hard: { secrets: '1' } } }, [
    [
      'spec.scopes',
      ['BestEffort'],
      'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
    ],
    [
      e,
      expression('Terminating', 'Exists'),
      `${e}: Invalid value: {"MatchExpressions":[{"ScopeName":"Terminating","Operator":"Exists","Values":null}]}: unsupported scope applied to resource`,
    ],
  ]);
  refusesChange(resourceQuotaKind, { metadata, spec: { scopes: ['BestEffort'] } }, [
    ['spec.scopes', [], 'spec.scopes: Invalid value: []: field is immutable'],
  ]);
  refusesChange(
    resourceQuotaKind,
    { metadata },
    [['status', { used: { pods: '-1' } }, `status.used[pods]: Invalid value: "-1": ${notNegative}`]],
    'status',
  );
  const limit = (item: object) => [{ type: 'Container', ...item }];
  const l = 'spec.limits[0]';
  refuses(limitRangeKind, { metadata, spec: { limits: limit({}) } }, [
    [
      'spec.limits',
      [{ type: 'Node' }],
      `${l}.type: Invalid value: "Node": must be a standard limit type or fully qualified`,
    ],
    ['spec.limits', [...limit({}), ...limit({})], 'spec.limits[1].type: Duplicate value: "Container"'],
    [
      'spec.limits',
      limit({ min: { storage: '1' } }),
      `${l}.min[storage]: Invalid value: "storage": must be a standard resource for containers`,
      `${l}.defaultRequest[storage]: Invalid value: "storage": must be a standard resource for containers`,
    ],
    [
      'spec.limits',
      limit({ min: { cpu: '2' }, max: { cpu: '1' } }),
      `${l}.min[cpu]: Invalid value: "2": min value 2 is greater than max value 1`,

      `${l}.defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1`,
      `${l}.default[cpu]: Invalid value: "2": min value 2 is greater than default value 1`,
    ],
    [
      'spec.limits',
      limit({ default: { cpu: '1' }, defaultRequest: { cpu: '2' } }),
      `${l}.defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than default limit value 1`,
    ],
    [
      'spec.limits',
      limit({ default: { 'a.com/b': '1' }, defaultRequest: { 'a.com/b': '2' } }),
      /default request value 2 is greater than default limit value 1/,
      /default value 1 must equal to defaultRequest value 2 in a.com\/b/,
    ],
    [
      'spec.limits',
      limit({ maxLimitRequestRatio: { cpu: '500m' } }),
      `${l}.maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1`,
    ],
    [
      'spec.limits',
      limit({ min: { cpu: '1' }, max: { cpu: '2' }, maxLimitRequestRatio: { cpu: '3' } }),
      `${l}.maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000`,
    ],
    [
      'spec.limits',
      [{ type: 'Pod', default: { cpu: '1' } }],
      `${l}.default: Forbidden: may not be specified when \`type\` is 'Pod'`,
    ],
    [
      'spec.limits',
      [{ type: 'PersistentVolumeClaim' }],
      `${l}.limits: Required value: either minimum or maximum storage value is required, but neither was provided`,
    ],
  ]);
});

describe('templates of pods', () => {
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'i' }] } };
  refuses(podTemplateKind, { metadata, template }, [
    ['template.metadata.labels', { '-': '' }, /^template.labels: Invalid value: "-": name part must consist/],
    ['template.spec.containers', [], 'template.spec.containers: Required value'],
    [
      'template.spec.ephemeralContainers',
      [{ name: 'e', image: 'i' }],
      'template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template',
    ],
  ]);
  const controller = { metadata, spec: { selector: { a: 'b' }, template } };
  refuses(replicationControllerKind, controller, [
    ['spec.replicas', -1, `spec.replicas: Invalid value: -1: ${notNegative}`],
    ['spec.minReadySeconds', -1, `spec.minReadySeconds: Invalid value: -1: ${notNegative}`],
    [
      'spec.selector',
      { a: 'c' },
      'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`',
    ],
    ['spec.template', undefined, 'spec.template: Required value'],
    [
      'spec.template.spec.restartPolicy',
      'Never',
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
    [
      'spec.template.spec.activeDeadlineSeconds',
      5,
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported',
    ],
    [
      'spec.template.metadata.annotations',
      { 'a b': '' },
      /^spec.template.annotations: Invalid value: "a b": name part must consist/,
    ],
  ]);
  refusesChange(
    replicationControllerKind,
    controller,
    [
      [
        'status',
        { replicas: 0, observedGeneration: -1 },
        `status.observedGeneration: Invalid value: -1: ${notNegative}`,
      ],
      [
        'status',
        { replicas: 1, readyReplicas: 2 },
        'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
      ],
      [
        'status',
        { replicas: 2, readyReplicas: 1, availableReplicas: 2 },
        'status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas',
      ],
      ['spec.replicas', -1],
    ],
    'status',
  );
});

describe('events', () => {
  const event = { metadata, involvedObject: { kind: 'Pod', namespace: 'here' } };
  refuses(eventKind, event, [
    [
      'involvedObject.namespace',
      'there',
      'involvedObject.namespace: Invalid value: "there": does not match event.namespace',
    ],
    [
      'involvedObject.namespace',
      undefined,
      'involvedObject.namespace: Invalid value: "": does not match event.namespace',
    ],
  ]);
  const newer = {
    ...event,
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingComponent: 'a.com/b',
    reportingInstance: 'i',
    action: 'a',
    reason: 'r',
  };
  refuses(eventKind, newer, [
    ['reportingComponent', 'a b', /^reportingController: Invalid value: "a b": name part must consist/],
    ['reportingInstance', undefined, 'reportingInstance: Required value'],
    ['action', 'x'.repeat(129), 'action: Invalid value: "": can have at most 128 characters'],
    ['reason', '', 'reason: Required value'],
    ['message', 'x'.repeat(1025), 'message: Invalid value: "": can have at most 1024 characters'],
    [
      'involvedObject.namespace',
      undefined,
      'involvedObject.namespace: Invalid value: "": does not match event.namespace',
    ],
  ]);
});
