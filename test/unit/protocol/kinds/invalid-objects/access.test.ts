import { describe } from 'node:test';
import { apiServiceKind } from '../../../../../protocol/kinds/api-service.ts';
import { certificateSigningRequestKind } from '../../../../../protocol/kinds/certificate-signing-request.ts';
import { clusterRoleKind } from '../../../../../protocol/kinds/cluster-role.ts';
import { clusterRoleBindingKind } from '../../../../../protocol/kinds/cluster-role-binding.ts';
import { leaseKind } from '../../../../../protocol/kinds/lease.ts';
import { priorityClassKind } from '../../../../../protocol/kinds/priority-class.ts';
import { roleKind } from '../../../../../protocol/kinds/role.ts';
import { roleBindingKind } from '../../../../../protocol/kinds/role-binding.ts';
import { runtimeClassKind } from '../../../../../protocol/kinds/runtime-class.ts';
import { sampleOf } from '../../../../support/kind-samples.ts';
import { label, notNegative, refuses, refusesChange, subdomain } from './refusals.ts';

const metadata = { name: 's', namespace: 'here' };
const unscoped = { name: 's' };
const group = 'rbac.authorization.k8s.io';

describe('roles and who has them', () => {
  const rule = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
  refuses(roleKind, { metadata, rules: [rule] }, [
    ['rules.0.verbs', [], 'rules[0].verbs: Required value: verbs must contain at least one value'],
    [
      'rules.0.apiGroups',
      [],
      'rules[0].apiGroups: Required value: resource rules must supply at least one api group',
    ],
    [
      'rules.0.resources',
      [],
      'rules[0].resources: Required value: resource rules must supply at least one resource',
    ],
    [
      'rules.0',
      { verbs: ['get'], nonResourceURLs: ['/'] },
      'rules[0].nonResourceURLs: Invalid value: ["/"]: namespaced rules cannot apply to non-resource URLs',
    ],
  ]);
  refuses(clusterRoleKind, { metadata: unscoped, rules: [rule] }, [
    [
      'rules.0.nonResourceURLs',
      ['/'],
      'rules[0].nonResourceURLs: Invalid value: ["/"]: rules cannot apply to both regular resources and non-resource URLs',
    ],
    [
      'aggregationRule',
      {},
      'aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil',
    ],
    [
      'aggregationRule',
      { clusterRoleSelectors: [{ matchLabels: { a: 'x y' } }] },
      /^aggregationRule.clusterRoleSelectors\[0\].matchLabels: Invalid value: "x y"/,
    ],
  ]);
  const subject = { kind: 'User', name: 'anna' };
  const binding = { metadata, roleRef: { kind: 'Role', name: 'r' }, subjects: [subject] };
  refuses(roleBindingKind, binding, [
    ['roleRef.apiGroup', 'mine', `roleRef.apiGroup: Unsupported value: "mine": supported values: "${group}"`],
    [
      'roleRef.kind',
      'Pod',
      'roleRef.kind: Unsupported value: "Pod": supported values: "Role", "ClusterRole"',
    ],
    ['roleRef.name', '', 'roleRef.name: Required value'],
    ['roleRef.name', 'a/b', 'roleRef.name: Invalid value: "a/b": may not contain \'/\''],
    [
      'subjects.0.name',
      '',
      'subjects[0].name: Required value',
      'subjects[0].name: Invalid value: "": user name cannot be empty',
    ],
    [
      'subjects.0',
      { kind: 'Group', name: '' },
      'subjects[0].name: Required value',
      'subjects[0].name: Invalid value: "": group name cannot be empty',
    ],
    [
      'subjects.0.kind',
      'Robot',
      'subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
    ],
    [
      'subjects.0',
      { kind: 'ServiceAccount', name: 'A' },
      `subjects[0].name: Invalid value: "A": ${subdomain}`,
    ],
    [
      'subjects.0',
      { kind: 'ServiceAccount', name: 'a', apiGroup: 'x' },
      'subjects[0].apiGroup: Unsupported value: "x": supported values: ""',
    ],
  ]);
  refusesChange(roleBindingKind, binding, [
    [
      'roleRef.name',
      'other',
      `roleRef: Invalid value: {"kind":"Role","name":"other","apiGroup":"${group}"}: cannot change roleRef`,
    ],
    ['subjects', []],
  ]);
  refuses(clusterRoleBindingKind, { metadata: unscoped, roleRef: { kind: 'ClusterRole', name: 'r' } }, [
    ['roleRef.kind', 'Role', 'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"'],
    ['subjects', [{ kind: 'ServiceAccount', name: 'a' }], 'subjects[0].namespace: Required value'],
  ]);
});

describe('certificate requests', () => {
  const request = { metadata: unscoped, ...sampleOf(certificateSigningRequestKind) };
  refuses(certificateSigningRequestKind, request, [
    [
      'spec.request',
      'YQ==',
      'spec.request: Invalid value: "YQ==": PEM block type must be CERTIFICATE REQUEST',
    ],
    ['spec.usages', [], 'spec.usages: Required value'],
    ['spec.usages', ['client auth', 'client auth'], 'spec.usages[1]: Duplicate value: "client auth"'],
    [
      'spec.usages',
      ['fly'],
      /^spec.usages\[0\]: Unsupported value: "fly": supported values: "any", "cert sign", /,
    ],
    ['spec.signerName', '', 'spec.signerName: Required value'],
    [
      'spec.signerName',
      'me',
      'spec.signerName: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")',
    ],
    [
      'spec.expirationSeconds',
      599,
      'spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)',
    ],
  ]);
  const pem = (type: string) =>
    Buffer.from(`-----BEGIN ${type}-----\nYQ==\n-----END ${type}-----\n`).toString('base64');
  refusesChange(
    certificateSigningRequestKind,
    request,
    [
      [
        'status.certificate',
        'YQ==',
        'status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block',
      ],
      [
        'status.certificate',
        pem('PRIVATE KEY'),
        'status.certificate: Invalid value: "<certificate data>": only CERTIFICATE PEM blocks are allowed, found "PRIVATE KEY"',
      ],
      ['status.certificate', pem('CERTIFICATE')],
    ],
    'status',
  );
});

describe('classes of priority and of runtimes', () => {
  refuses(priorityClassKind, { metadata: unscoped, value: 5 }, [
    [
      'value',
      1_000_000_001,
      'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
    ],
    [
      'preemptionPolicy',
      'Maybe',
      'preemptionPolicy: Unsupported value: "Maybe": supported values: "Never", "PreemptLowerPriority"',
    ],
    [
      'metadata.name',
      'system-mine',
      "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class",
    ],
  ]);
  refusesChange(priorityClassKind, { metadata: unscoped, value: 5 }, [
    ['value', 6, 'value: Forbidden: may not be changed in an update.'],
    ['preemptionPolicy', 'Never', 'preemptionPolicy: Invalid value: "Never": field is immutable'],
    ['description', 'new'],
  ]);
  refuses(runtimeClassKind, { metadata: unscoped, handler: 'h' }, [
    ['handler', '', 'handler: Required value'],
    ['handler', 'A', `handler: Invalid value: "A": ${label}`],
    ['overhead', { podFixed: { cpu: '-1' } }, `overhead.limits[cpu]: Invalid value: "-1": ${notNegative}`],
    [
      'overhead',
      { podFixed: { gold: '1' } },
      'overhead.limits[gold]: Invalid value: "gold": must be a standard resource type or fully qualified',
      'overhead.limits[gold]: Invalid value: "gold": must be a standard resource for containers',
    ],
    ['scheduling.nodeSelector', { a: 'x y' }, /^scheduling.nodeSelector: Invalid value: "x y"/],
    [
      'scheduling.tolerations',
      [{ key: 'a', operator: 'Is' }],
      /^scheduling.tolerations\[0\].operator: Unsupported value: "Is"/,
    ],
  ]);
  refusesChange(runtimeClassKind, { metadata: unscoped, handler: 'h' }, [
    ['handler', 'i', 'handler: Invalid value: "i": field is immutable'],
  ]);
});

describe('leases', () => {
  refuses(leaseKind, { metadata, spec: {} }, [
    ['spec.leaseDurationSeconds', 0, 'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0'],
    ['spec.leaseTransitions', -1, `spec.leaseTransitions: Invalid value: -1: ${notNegative}`],
    [
      'spec.preferredHolder',
      'a',
      'spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined',
    ],
    [
      'spec.strategy',
      'Mine',
      'spec.strategy.strategy: Unsupported value: "Mine": supported values: "OldestEmulationVersion"',
    ],
  ]);
});

describe('API services', () => {
  const served = {
    metadata: { name: 'v1.a.b' },
    spec: {
      group: 'a.b',
      version: 'v1',
      groupPriorityMinimum: 1,
      versionPriority: 1,
      service: { namespace: 'n', name: 's' },
    },
  };
  refuses(apiServiceKind, served, [
    [
      'metadata.name',
      'v2.a.b',
      'metadata.name: Invalid value: "v2.a.b": must be `spec.version+"."+spec.group`: "v1.a.b"',
    ],
    [
      'spec.groupPriorityMinimum',
      0,
      'spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000',
    ],
    [
      'spec.versionPriority',
      1001,
      'spec.versionPriority: Invalid value: 1001: must be positive and less than 1000',
    ],
    ['spec.service', {}, 'spec.service.namespace: Required value', 'spec.service.name: Required value'],
    [
      'spec.service.port',
      0,
      'spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive',
    ],
    [
      'spec',
      { ...served.spec, insecureSkipTLSVerify: true, caBundle: 'YQ==' },
      'spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present',
    ],
    [
      'spec',
      { ...served.spec, service: undefined, caBundle: 'YQ==' },
      'spec.caBundle: Invalid value: "1 bytes": local APIServices may not have a caBundle',
    ],
  ]);
  refusesChange(
    apiServiceKind,
    served,
    [
      [
        'status.conditions',
        [{ type: 'Available', status: 'Maybe' }],
        'status.conditions[0].status: Unsupported value: "Maybe": supported values: "True", "False", "Unknown"',
      ],
    ],
    'status',
  );
});
