import { describe } from 'node:test';
import { podKind } from '../../../../../protocol/kinds/pod.ts';
import { label, notNegative, portRange, type Refusal, refuses, subdomain } from './refusals.ts';

const container = { name: 'a', image: 'i' };
const pod = { metadata: { name: 'p', namespace: 'here' }, spec: { containers: [container] } };
const c = 'spec.containers.0';
const at = 'spec.containers[0]';
const inPod = (refusals: readonly Refusal[]) => refuses(podKind, pod, refusals);
const unsupported = (value: string, ...supported: string[]) =>
  `Unsupported value: "${value}": supported values: ${supported.map((one) => `"${one}"`).join(', ')}`;
const ids = 'must be between 0 and 2147483647, inclusive';

describe('containers', () => {
  inPod([
    ['spec.containers', [], 'spec.containers: Required value'],
    [`${c}.name`, '', `${at}.name: Required value`],
    [`${c}.name`, 'A_b', `${at}.name: Invalid value: "A_b": ${label}`],
    ['spec.containers.1', container, 'spec.containers[1].name: Duplicate value: "a"'],
    [`${c}.image`, undefined, `${at}.image: Required value`],
    [`${c}.image`, ' i', `${at}.image: Invalid value: " i": must not have leading or trailing whitespace`],
    [
      `${c}.imagePullPolicy`,
      'Sometimes',
      `${at}.imagePullPolicy: ${unsupported('Sometimes', 'Always', 'IfNotPresent', 'Never')}`,
    ],
    [
      `${c}.terminationMessagePolicy`,
      'x',
      `${at}.terminationMessagePolicy: ${unsupported('x', 'FallbackToLogsOnError', 'File')}`,
    ],
    [
      `${c}.ports`,
      [{ containerPort: 70_000 }],
      `${at}.ports[0].containerPort: Invalid value: 70000: ${portRange}`,
    ],
    [`${c}.ports`, [{ containerPort: 0 }], `${at}.ports[0].containerPort: Required value`],
    [
      `${c}.ports`,
      [{ containerPort: 1, name: 'a_b' }],
      `${at}.ports[0].name: Invalid value: "a_b": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`,
    ],
    [
      `${c}.ports`,
      [{ containerPort: 1, name: 'abcdefghijklmnop' }],
      `${at}.ports[0].name: Invalid value: "abcdefghijklmnop": must be no more than 15 bytes`,
    ],
    [
      `${c}.ports`,
      [{ containerPort: 1, protocol: 'HTTP' }],
      `${at}.ports[0].protocol: ${unsupported('HTTP', 'SCTP', 'TCP', 'UDP')}`,
    ],
    [
      `${c}.ports`,
      [
        { containerPort: 1, name: 'a' },
        { containerPort: 2, name: 'a' },
      ],
      `${at}.ports[1].name: Duplicate value: "a"`,
    ],
    [
      `${c}.ports`,
      [{ containerPort: 1, hostPort: -1 }],
      `${at}.ports[0].hostPort: Invalid value: -1: ${portRange}`,
    ],
    [`${c}.env`, [{ name: '' }], `${at}.env[0].name: Required value`],
    [
      `${c}.env`,
      [{ name: 'a=b' }],
      `${at}.env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than '='`,
    ],
    [
      `${c}.env`,
      [{ name: 'a', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'spec.nothing' } } }],
      `${at}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.nothing": error converting fieldPath: field label not supported: spec.nothing`,
    ],
    [
      `${c}.env`,
      [{ name: 'a', value: 'b', valueFrom: { configMapKeyRef: { name: 'c', key: 'k' } } }],
      `${at}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
    ],
    [
      `${c}.env`,
      [{ name: 'a', valueFrom: { secretKeyRef: { name: 's' } } }],
      `${at}.env[0].valueFrom.secretKeyRef.key: Required value`,
    ],
    [
      `${c}.resources`,
      { limits: { cpu: '1' }, requests: { cpu: '2' } },
      `${at}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1`,
    ],
    [
      `${c}.resources`,
      { requests: { memory: '-1' } },
      `${at}.resources.requests[memory]: Invalid value: "-1": ${notNegative}`,
    ],
    [
      `${c}.resources`,
      { requests: { nope: '1' } },
      /requests\[nope\]: Invalid value: "nope": must be a standard resource type or fully qualified/,
      /requests\[nope\]: Invalid value: "nope": must be a standard resource for containers/,
    ],
    [
      `${c}.resizePolicy`,
      [{ resourceName: 'disk', restartPolicy: 'NotRequired' }],
      `${at}.resizePolicy: ${unsupported('disk', 'cpu', 'memory')}`,
    ],
    [
      `${c}.resizePolicy`,
      [{ resourceName: 'cpu', restartPolicy: 'x' }],
      `${at}.resizePolicy: ${unsupported('x', 'NotRequired', 'RestartContainer')}`,
    ],
    [`${c}.volumeMounts`, [{ name: 'x', mountPath: '/x' }], `${at}.volumeMounts[0].name: Not found: "x"`],
    [
      'spec.ephemeralContainers',
      [{ name: 'e', image: 'i' }],
      'spec.ephemeralContainers: Forbidden: cannot be set on create',
    ],
    [
      'spec.initContainers',
      [{ ...container, name: 'b', livenessProbe: { exec: { command: ['x'] } } }],
      'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ],
    ['spec.initContainers', [container], 'spec.initContainers[0].name: Duplicate value: "a"'],
  ]);
});

describe('the pod as a whole', () => {
  inPod([
    [
      'spec.restartPolicy',
      'Maybe',
      `spec.restartPolicy: ${unsupported('Maybe', 'Always', 'OnFailure', 'Never')}`,
    ],
    [
      'spec.dnsPolicy',
      'x',
      `spec.dnsPolicy: ${unsupported('x', 'ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None')}`,
    ],
    [
      'spec.dnsPolicy',
      'None',
      'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
    ],
    [
      'spec.activeDeadlineSeconds',
      0,
      'spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive',
    ],
    ['spec.nodeName', 'A', `spec.nodeName: Invalid value: "A": ${subdomain}`],
    ['spec.hostname', 'a.b', 'spec.hostname: Invalid value: "a.b": must not contain dots'],
    ['spec.serviceAccountName', 'A', `spec.serviceAccountName: Invalid value: "A": ${subdomain}`],
    [
      'spec.preemptionPolicy',
      'x',
      `spec.preemptionPolicy: ${unsupported('x', 'PreemptLowerPriority', 'Never')}`,
    ],
    [
      'spec.hostAliases',
      [{ ip: 'x' }],
      'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      'spec.tolerations',
      [{ key: 'k', operator: 'Exists', value: 'v' }],
      /^spec\.tolerations\[0\]\.operator: Invalid value: .*value must be empty when `operator` is 'Exists'$/,
    ],
    [
      'spec.tolerations',
      [{ operator: 'Equal' }],
      /^spec\.tolerations\[0\]\.operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"$/,
    ],
    [
      'spec.tolerations',
      [{ key: 'k', effect: 'NoSchedule', tolerationSeconds: 1 }],
      `spec.tolerations[0].effect: Invalid value: "NoSchedule": effect must be 'NoExecute' when \`tolerationSeconds\` is set`,
    ],
    [
      'spec.topologySpreadConstraints',
      [{ maxSkew: 0, topologyKey: 'a', whenUnsatisfiable: 'DoNotSchedule' }],
      'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
    ],
    [
      'spec.topologySpreadConstraints',
      [{ maxSkew: 1, topologyKey: '', whenUnsatisfiable: 'DoNotSchedule' }],
      'spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty',
    ],
    [
      'spec.topologySpreadConstraints',
      [{ maxSkew: 1, topologyKey: 'a', whenUnsatisfiable: 'x' }],
      `spec.topologySpreadConstraints[0].whenUnsatisfiable: ${unsupported('x', 'DoNotSchedule', 'ScheduleAnyway')}`,
    ],
  ]);
});

describe('affinity', () => {
  const required = 'requiredDuringSchedulingIgnoredDuringExecution';
  const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
  const node = `spec.affinity.nodeAffinity.${required}`;
  const expression = (one: object) => ({ nodeSelectorTerms: [{ matchExpressions: [one] }] });
  const term = `${node}.nodeSelectorTerms[0].matchExpressions[0]`;
  inPod([
    [
      node,
      { nodeSelectorTerms: [] },
      `${node}.nodeSelectorTerms: Required value: must have at least one node selector term`,
    ],
    [
      node,
      expression({ key: 'a', operator: 'In' }),
      `${term}.values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`,
    ],
    [
      node,
      expression({ key: 'a', operator: 'Exists', values: ['v'] }),
      `${term}.values: Forbidden: may not be specified when \`operator\` is 'Exists' or 'DoesNotExist'`,
    ],
    [
      node,
      expression({ key: 'a', operator: 'Gt', values: ['1', '2'] }),
      `${term}.values: Required value: must be specified single value when \`operator\` is 'Lt' or 'Gt'`,
    ],
    [
      node,
      expression({ key: 'a', operator: 'X', values: ['1'] }),
      `${term}.operator: Invalid value: "X": not a valid selector operator`,
    ],
    [
      `spec.affinity.nodeAffinity.${preferred}`,
      [{ weight: 0, preference: {} }],
      `spec.affinity.nodeAffinity.${preferred}[0].weight: Invalid value: 0: must be in the range 1-100`,
    ],
    [
      `spec.affinity.podAffinity.${required}`,
      [{ topologyKey: '' }],
      new RegExp(`podAffinity\\.${required}\\[0\\]\\.topologyKey: Required value: can not be empty`),
    ],
    [
      `spec.affinity.podAntiAffinity.${preferred}`,
      [{ weight: 101, podAffinityTerm: { topologyKey: 'a' } }],
      `spec.affinity.podAntiAffinity.${preferred}[0].weight: Invalid value: 101: must be in the range 1-100`,
    ],
  ]);
});

describe('probes and hooks', () => {
  const probe = `${c}.livenessProbe`;
  const there = `${at}.livenessProbe`;
  const exec = { exec: { command: ['x'] } };
  inPod([
    [probe, {}, `${there}: Required value: must specify a handler type`],
    [
      probe,
      { ...exec, httpGet: { port: 1 } },
      `${there}.httpGet: Forbidden: may not specify more than 1 handler type`,
    ],
    [probe, { httpGet: { port: 0 } }, `${there}.httpGet.port: Invalid value: 0: ${portRange}`],
    [
      probe,
      { httpGet: { port: 1, scheme: 'ftp' } },
      `${there}.httpGet.scheme: ${unsupported('ftp', 'HTTP', 'HTTPS')}`,
    ],
    [probe, { exec: { command: [] } }, `${there}.exec.command: Required value`],
    [probe, { tcpSocket: { port: 70_000 } }, `${there}.tcpSocket.port: Invalid value: 70000: ${portRange}`],
    [probe, { ...exec, periodSeconds: -1 }, `${there}.periodSeconds: Invalid value: -1: ${notNegative}`],
    [probe, { ...exec, successThreshold: 2 }, `${there}.successThreshold: Invalid value: 2: must be 1`],
    [
      probe,
      { ...exec, terminationGracePeriodSeconds: 0 },
      `${there}.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0`,
    ],
    [
      `${c}.readinessProbe`,
      { ...exec, terminationGracePeriodSeconds: 5 },
      `${at}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes`,
    ],
    [
      `${c}.lifecycle`,
      { postStart: {} },
      `${at}.lifecycle.postStart: Required value: must specify a handler type`,
    ],
    [
      `${c}.lifecycle`,
      { preStop: { httpGet: { port: 'a_b' } } },
      /preStop\.httpGet\.port: Invalid value: "a_b": must contain only alpha-numeric characters/,
    ],
  ]);
});

describe('volumes', () => {
  const volume = (source: object) => [{ name: 'v', ...source }];
  const v = 'spec.volumes[0]';
  inPod([
    [
      'spec.volumes',
      [
        { name: 'v', emptyDir: {} },
        { name: 'v', emptyDir: {} },
      ],
      'spec.volumes[1].name: Duplicate value: "v"',
    ],
    ['spec.volumes', [{ name: '', emptyDir: {} }], `${v}.name: Required value`],
    [
      'spec.volumes',
      volume({ emptyDir: {}, hostPath: { path: '/' } }),
      `${v}.hostPath: Forbidden: may not specify more than 1 volume type`,
    ],
    ['spec.volumes', volume({ hostPath: { path: '' } }), `${v}.hostPath.path: Required value`],
    [
      'spec.volumes',
      volume({ hostPath: { path: '/a/../b' } }),
      `${v}.hostPath.path: Invalid value: "/a/../b": must not contain '..'`,
    ],
    [
      'spec.volumes',
      volume({ hostPath: { path: '/', type: 'x' } }),
      new RegExp(
        `hostPath\\.type: Unsupported value: "x": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"$`,
      ),
    ],
    ['spec.volumes', volume({ secret: {} }), `${v}.secret.secretName: Required value`],
    [
      'spec.volumes',
      volume({ secret: { secretName: 's', defaultMode: 512 } }),
      `${v}.secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive`,
    ],
    [
      'spec.volumes',
      volume({ configMap: { name: 'c', items: [{ key: '', path: 'p' }] } }),
      `${v}.configMap.items[0].key: Required value`,
    ],
    [
      'spec.volumes',
      volume({ configMap: { name: 'c', items: [{ key: 'k', path: '../p' }] } }),
      `${v}.configMap.items[0].path: Invalid value: "../p": must not contain '..'`,
    ],
    ['spec.volumes', volume({ configMap: {} }), `${v}.configMap.name: Required value`],
    [
      'spec.volumes',
      volume({ persistentVolumeClaim: { claimName: '' } }),
      `${v}.persistentVolumeClaim.claimName: Required value`,
    ],
    [
      'spec.volumes',
      volume({ nfs: { server: 's', path: 'rel' } }),
      `${v}.nfs.path: Invalid value: "rel": must be an absolute path`,
    ],
    ['spec.volumes', volume({ nfs: { server: '', path: '/' } }), `${v}.nfs.server: Required value`],
    [
      'spec.volumes',
      volume({ projected: { sources: [{ serviceAccountToken: { path: '' } }] } }),
      `${v}.projected.sources[0].serviceAccountToken.path: Required value`,
    ],
    [
      'spec.volumes',
      volume({ projected: { sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 60 } }] } }),
      `${v}.projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes`,
    ],
    [
      'spec.volumes',
      volume({ emptyDir: { sizeLimit: '-1' } }),
      `${v}.emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity`,
    ],
  ]);
  const mounted = {
    ...pod,
    spec: {
      volumes: volume({ emptyDir: {} }),
      containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/d' }] }],
    },
  };
  refuses(podKind, mounted, [
    [`${c}.volumeMounts.0.mountPath`, '', `${at}.volumeMounts[0].mountPath: Required value`],
    [
      `${c}.volumeMounts.0.subPath`,
      '../x',
      `${at}.volumeMounts[0].subPath: Invalid value: "../x": must not contain '..'`,
    ],
    [
      `${c}.volumeMounts.0.subPath`,
      '/x',
      `${at}.volumeMounts[0].subPath: Invalid value: "/x": must be a relative path`,
    ],
    [
      `${c}.volumeMounts.1`,
      { name: 'v', mountPath: '/d' },
      `${at}.volumeMounts[1].mountPath: Invalid value: "/d": must be unique`,
    ],
    [
      `${c}.volumeMounts.0.mountPropagation`,
      'x',
      `${at}.volumeMounts[0].mountPropagation: ${unsupported('x', 'Bidirectional', 'HostToContainer', 'None')}`,
    ],
    [
      `${c}.volumeMounts.0.mountPropagation`,
      'Bidirectional',
      `${at}.volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers`,
    ],
  ]);
});

describe('security contexts', () => {
  const s = 'spec.securityContext';
  inPod([
    [`${s}.runAsUser`, -1, `${s}.runAsUser: Invalid value: -1: ${ids}`],
    [`${s}.fsGroup`, -1, `${s}.fsGroup: Invalid value: -1: ${ids}`],
    [`${s}.supplementalGroups`, [-1], `${s}.supplementalGroups[0]: Invalid value: -1: ${ids}`],
    [
      `${s}.fsGroupChangePolicy`,
      'x',
      `${s}.fsGroupChangePolicy: ${unsupported('x', 'Always', 'OnRootMismatch')}`,
    ],
    [
      `${s}.seccompProfile`,
      { type: 'Localhost' },
      `${s}.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost`,
    ],
    [
      `${s}.seccompProfile`,
      { type: 'x' },
      `${s}.seccompProfile.type: ${unsupported('x', 'Localhost', 'RuntimeDefault', 'Unconfined')}`,
    ],
    [
      `${s}.sysctls`,
      [{ name: 'a b', value: '' }],
      /^spec\.securityContext\.sysctls\[0\]\.name: Invalid value: "a b": must have at most 253 characters and match regex /,
    ],
    [
      `${c}.securityContext`,
      { runAsGroup: -1 },
      `${at}.securityContext.runAsGroup: Invalid value: -1: ${ids}`,
    ],
    [
      `${c}.securityContext`,
      { procMount: 'x' },
      `${at}.securityContext.procMount: ${unsupported('x', 'Default', 'Unmasked')}`,
    ],
    [
      `${c}.securityContext`,
      { privileged: true, allowPrivilegeEscalation: false },
      /^spec\.containers\[0\]\.securityContext: Invalid value: .*cannot set `allowPrivilegeEscalation` to false and `privileged` to true$/,
    ],
    [
      `${c}.securityContext`,
      { capabilities: { add: ['CAP_SYS_ADMIN'] }, allowPrivilegeEscalation: false },
      /cannot set `allowPrivilegeEscalation` to false and `capabilities\.Add` CAP_SYS_ADMIN$/,
    ],
    [
      'spec',
      { hostPID: true, shareProcessNamespace: true, containers: [container] },
      /shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled$/,
    ],
    [
      'spec',
      { hostNetwork: true, containers: [{ ...container, ports: [{ containerPort: 81, hostPort: 82 }] }] },
      `${at}.ports[0].hostPort: Invalid value: 82: must match \`containerPort\` when \`hostNetwork\` is true`,
    ],
  ]);
});
