import type { ClusterRole, PolicyRule } from '../../../../protocol/generated/models.ts';
import { nodeRules } from './node-rules.ts';
import { adminRules, editRules, read, readUpdate, rule, viewRules } from './user-rules.ts';

/** The roles that every cluster has (source: k8s.io/kubernetes, plugin/pkg/auth/authorizer/rbac/bootstrappolicy). */
export interface DefaultRole {
  name: string;
  labels?: Record<string, string>;
  rules?: readonly PolicyRule[];
  /** Gathers the rules of all roles with this label. */
  gathers?: string;
}

const aggregateTo = (role: string) => `rbac.authorization.k8s.io/aggregate-to-${role}`;
const openPaths = ['/healthz', '/livez', '/readyz', '/version', '/version/'];

export const defaultClusterRoles: readonly DefaultRole[] = [
  {
    name: 'cluster-admin',
    rules: [rule(['*'], ['*'], ['*']), { verbs: ['*'], nonResourceURLs: ['*'] }],
  },
  { name: 'admin', gathers: aggregateTo('admin') },
  { name: 'edit', labels: { [aggregateTo('admin')]: 'true' }, gathers: aggregateTo('edit') },
  { name: 'view', labels: { [aggregateTo('edit')]: 'true' }, gathers: aggregateTo('view') },
  { name: 'system:aggregate-to-admin', labels: { [aggregateTo('admin')]: 'true' }, rules: adminRules },
  { name: 'system:aggregate-to-edit', labels: { [aggregateTo('edit')]: 'true' }, rules: editRules },
  { name: 'system:aggregate-to-view', labels: { [aggregateTo('view')]: 'true' }, rules: viewRules },
  {
    name: 'system:aggregated-metrics-reader',
    labels: { [aggregateTo('view')]: 'true', [aggregateTo('edit')]: 'true', [aggregateTo('admin')]: 'true' },
    rules: [rule(['get', 'list', 'watch'], ['metrics.k8s.io'], ['nodes', 'pods'])],
  },
  {
    name: 'system:basic-user',
    rules: [
      rule(['create'], ['authorization.k8s.io'], ['selfsubjectaccessreviews', 'selfsubjectrulesreviews']),
      rule(['create'], ['authentication.k8s.io'], ['selfsubjectreviews']),
    ],
  },
  {
    name: 'system:discovery',
    rules: [get([...openPaths, '/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*'])],
  },
  { name: 'system:public-info-viewer', rules: [get(openPaths)] },
  {
    name: 'system:monitoring',
    rules: [
      get([
        '/healthz',
        '/healthz/*',
        '/livez',
        '/livez/*',
        '/metrics',
        '/metrics/slis',
        '/readyz',
        '/readyz/*',
      ]),
    ],
  },
  {
    name: 'system:service-account-issuer-discovery',
    rules: [
      get([
        '/.well-known/openid-configuration',
        '/.well-known/openid-configuration/',
        '/openid/v1/jwks',
        '/openid/v1/jwks/',
      ]),
    ],
  },
  {
    name: 'system:auth-delegator',
    rules: [
      rule(['create'], ['authentication.k8s.io'], ['tokenreviews']),
      rule(['create'], ['authorization.k8s.io'], ['subjectaccessreviews']),
    ],
  },
  { name: 'system:node', rules: nodeRules },
  {
    name: 'system:node-bootstrapper',
    rules: [rule(['create', ...read], ['certificates.k8s.io'], ['certificatesigningrequests'])],
  },
  {
    name: 'system:node-problem-detector',
    rules: [
      rule(['get'], [''], ['nodes']),
      rule(['patch'], [''], ['nodes/status']),
      rule(['create', 'patch', 'update'], ['', 'events.k8s.io'], ['events']),
    ],
  },
  {
    name: 'system:kubelet-api-admin',
    rules: [
      rule(read, [''], ['nodes']),
      rule(['proxy'], [''], ['nodes']),
      rule(['*'], [''], ['nodes/log', 'nodes/metrics', 'nodes/proxy', 'nodes/stats']),
    ],
  },
  {
    name: 'system:persistent-volume-provisioner',
    rules: [
      rule([...read, 'create', 'delete'], [''], ['persistentvolumes']),
      rule(readUpdate, [''], ['persistentvolumeclaims']),
      rule(read, ['storage.k8s.io'], ['storageclasses']),
      rule(['watch'], [''], ['events']),
      rule(['create', 'patch', 'update'], ['', 'events.k8s.io'], ['events']),
    ],
  },
  {
    name: 'system:certificates.k8s.io:certificatesigningrequests:nodeclient',
    rules: [rule(['create'], ['certificates.k8s.io'], ['certificatesigningrequests/nodeclient'])],
  },
  {
    name: 'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
    rules: [rule(['create'], ['certificates.k8s.io'], ['certificatesigningrequests/selfnodeclient'])],
  },
  ...['kube-apiserver-client', 'kube-apiserver-client-kubelet', 'kubelet-serving', 'legacy-unknown'].map(
    (signer) => ({
      name: `system:certificates.k8s.io:${signer}-approver`,
      rules: [
        {
          verbs: ['approve'],
          apiGroups: ['certificates.k8s.io'],
          resources: ['signers'],
          resourceNames: [`kubernetes.io/${signer}`],
        },
      ],
    }),
  ),
];

/** In kube-system: what extension API servers need to learn whom to trust. */
export const defaultRoles: readonly (DefaultRole & { namespace: string })[] = [
  {
    namespace: 'kube-system',
    name: 'extension-apiserver-authentication-reader',
    rules: [
      {
        verbs: [...read],
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: ['extension-apiserver-authentication'],
      },
    ],
  },
];

/** Groups by cluster role. */
export const defaultClusterBindings: readonly { role: string; groups: readonly string[] }[] = [
  { role: 'cluster-admin', groups: ['system:masters'] },
  { role: 'system:basic-user', groups: ['system:authenticated'] },
  { role: 'system:discovery', groups: ['system:authenticated'] },
  { role: 'system:monitoring', groups: ['system:monitoring'] },
  { role: 'system:public-info-viewer', groups: ['system:authenticated', 'system:unauthenticated'] },
  { role: 'system:service-account-issuer-discovery', groups: ['system:serviceaccounts'] },
];

const bootstrapLabels = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
/** Set to `false` on a role or binding by who wants to keep it as they changed it. */
export const autoUpdate = 'rbac.authorization.kubernetes.io/autoupdate';

export function bootstrapMeta({
  name,
  namespace,
  labels,
}: {
  name: string;
  namespace?: string;
  labels?: Record<string, string>;
}) {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    labels: { ...bootstrapLabels, ...labels },
    annotations: { [autoUpdate]: 'true' },
  };
}

export function aggregation({ gathers }: DefaultRole): Pick<ClusterRole, 'aggregationRule'> {
  if (gathers === undefined) return {};
  return { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [gathers]: 'true' } }] } };
}

function get(urls: string[]): PolicyRule {
  return { verbs: ['get'], nonResourceURLs: urls };
}
