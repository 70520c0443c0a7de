import { actedOn, nothing, type Row, readBy, refused, rejected, wholly } from './fates.ts';

const aliases = [{ ip: '192.0.2.7', hostnames: ['tea'] }];
const hostsName = /has the host's name/;

const names: Row[] = [
  { ...actedOn('hostname', { hostname: 'other' }) },
  actedOn('subdomain', { subdomain: 'data' }),
  {
    ...actedOn('setHostnameAsFQDN', { subdomain: 'data', setHostnameAsFQDN: true }, { subdomain: 'data' }),
    process: refused({ subdomain: 'data', setHostnameAsFQDN: true }, hostsName),
  },
  {
    ...actedOn('hostnameOverride', { hostnameOverride: 'db.example.com' }),
    process: refused({ hostnameOverride: 'db' }, hostsName),
  },
  {
    ...actedOn(
      'hostAliases.ip',
      { hostAliases: [{ ip: '192.0.2.8', hostnames: ['tea'] }] },
      { hostAliases: aliases },
    ),
    process: refused({ hostAliases: aliases }, /hostAliases .*\/etc\/hosts/),
  },
  {
    ...actedOn(
      'hostAliases.hostnames',
      { hostAliases: [{ ip: '192.0.2.7', hostnames: ['x'] }] },
      { hostAliases: aliases },
    ),
    process: refused({ hostAliases: aliases }, /hostAliases .*\/etc\/hosts/),
  },
  ...[
    { field: 'nameservers', dnsConfig: { nameservers: ['192.0.2.1'] } },
    { field: 'searches', dnsConfig: { searches: ['example.com'] } },
    { field: 'options.name', dnsConfig: { options: [{ name: 'edns0' }] } },
    { field: 'options.value', dnsConfig: { options: [{ name: 'ndots', value: '2' }] } },
  ].map(({ field, dnsConfig }): Row => {
    const from = field === 'options.value' ? { options: [{ name: 'ndots' }] } : {};
    return {
      ...actedOn(`dnsConfig.${field}`, { dnsConfig }, { dnsConfig: from }),
      process: refused({ dnsConfig }, /dnsConfig .*name servers/),
    };
  }),
  {
    ...actedOn('dnsPolicy', { dnsPolicy: 'None', dnsConfig: {} }, { dnsConfig: {} }),
    process: nothing(
      "a host process has the host's name servers, whatever the policy; `None` needs a dnsConfig, which is refused",
    ),
  },
];

const sharing: Row[] = [
  actedOn('hostNetwork', { hostNetwork: true }),
  actedOn('hostPID', { hostPID: true }),
  actedOn('hostIPC', { hostIPC: true }),
  actedOn('shareProcessNamespace', { shareProcessNamespace: true }),
  { path: 'hostUsers', fate: refused({ hostUsers: false }, /hostUsers=false .*user namespace/) },
  { path: 'os.name', fate: refused({ os: { name: 'windows' } }, /OS field doesn't match/) },
];

const life: Row[] = [
  actedOn('enableServiceLinks', { enableServiceLinks: false }),
  actedOn('activeDeadlineSeconds', { activeDeadlineSeconds: 1 }),
  actedOn('terminationGracePeriodSeconds', { terminationGracePeriodSeconds: 3 }),
  actedOn('restartPolicy', { restartPolicy: 'Never' }),
  actedOn('readinessGates.conditionType', { readinessGates: [{ conditionType: 'example.com/on' }] }),
  actedOn('runtimeClassName', { runtimeClassName: 'nowhere' }),
  actedOn('imagePullSecrets.name', { imagePullSecrets: [{ name: 'keys' }] }),
];

const amounts: Row[] = [
  actedOn('overhead', { overhead: { cpu: '100m' } }),
  actedOn('resources.limits', { resources: { limits: { cpu: '1', memory: '1Mi' } } }),
  actedOn('resources.requests', { resources: { requests: { cpu: '1' } } }),
  ...['name', 'request'].map((field) => ({
    path: `resources.claims.${field}`,
    fate: rejected({ resources: { claims: [{ name: 'x', request: 'y' }] } }, /resources\.claims/),
  })),
  ...readBy('protocol/kinds/pod-claims.ts', 'resourceClaims', 'name', 'resourceClaimName'),
  ...readBy(
    'server/controllers/resource-claims/template-claims.ts',
    'resourceClaims',
    'resourceClaimTemplateName',
  ),
];

const decidedByTheServer: Row[] = [
  wholly('affinity', { is: 'read', source: 'protocol/kinds/pod-spec/validate-affinity.ts' }),
  wholly('topologySpreadConstraints', { is: 'read', source: 'server/scheduler/pod-request.ts' }),
  wholly('tolerations', { is: 'read', source: 'server/scheduler/pod-request.ts' }),
  ...readBy('server/scheduler/pod-request.ts', '', 'nodeSelector', 'priority', 'preemptionPolicy'),
  ...readBy('server/scheduler/scheduler.ts', '', 'schedulerName', 'nodeName'),
  ...readBy('server/scheduler/scheduler.ts', 'schedulingGates', 'name'),
  ...readBy('server/admission/plugins/priority.ts', '', 'priorityClassName'),
  ...readBy('server/admission/plugins/service-account.ts', '', 'serviceAccountName', 'serviceAccount'),
  ...readBy('server/admission/token-volume.ts', '', 'automountServiceAccountToken'),
  {
    path: 'schedulingGroup.podGroupName',
    fate: nothing(
      'alpha in 1.36 and off there: pods are scheduled one by one, as where nobody has switched it on',
    ),
  },
];

export const podRows: readonly Row[] = [...names, ...sharing, ...life, ...amounts, ...decidedByTheServer];
