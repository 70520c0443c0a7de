/**
 * Bodies that kubectl 1.32 sent, and the JSON of each (`kubectl create … --dry-run=client -o json`, less its
 * nulls).
 */
export const kubectlBodies: readonly KubectlBody[] = [
  {
    // kubectl create namespace team
    schema: 'io.k8s.api.core.v1.Namespace',
    type: { apiVersion: 'v1', kind: 'Namespace' },
    base64: 'azhzAAoPCgJ2MRIJTmFtZXNwYWNlEhwKFAoEdGVhbRIAGgAiACoAMgA4AEIAEgAaAgoAGgAiAA==',
    object: { metadata: { name: 'team' }, spec: {}, status: {} },
  },
  {
    // kubectl create deployment web --image=nginx --replicas=0 --port=80
    schema: 'io.k8s.api.apps.v1.Deployment',
    type: { apiVersion: 'apps/v1', kind: 'Deployment' },
    base64:
      'azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErgBCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEoYBCAASDAoKCgNhcHASA3dlYhpsChwKABIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkwSLgoFbmdpbngSBW5naW54KgAyCgoAEAAYUCIAKgBCAGoAcgCAAQCIAQCQAQCiAQAaADIAQgBKAFIAWABgAGgAggEAigEAmgEAwgEAIgIKACgAOAAaDAgAEAAYACAAKAA4ABoAIgA=',
    object: {
      metadata: { name: 'web', labels: { app: 'web' } },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: {
            containers: [{ name: 'nginx', image: 'nginx', ports: [{ containerPort: 80 }], resources: {} }],
          },
        },
        strategy: {},
      },
      status: {},
    },
  },
  {
    // kubectl create service nodeport web --tcp=80:8080 --node-port=30080
    schema: 'io.k8s.api.core.v1.Service',
    type: { apiVersion: 'v1', kind: 'Service' },
    base64:
      'azhzAAoNCgJ2MRIHU2VydmljZRJqCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkMKHQoHODAtODA4MBIDVENQGFAiBwgAEJA/GgAogOsBEgoKA2FwcBIDd2ViGgAiCE5vZGVQb3J0OgBCAFIAWgBgAGgAGgIKABoAIgA=',
    object: {
      metadata: { name: 'web', labels: { app: 'web' } },
      spec: {
        ports: [{ name: '80-8080', protocol: 'TCP', port: 80, targetPort: 8080, nodePort: 30080 }],
        selector: { app: 'web' },
        type: 'NodePort',
      },
      status: { loadBalancer: {} },
    },
  },
  {
    // kubectl create secret generic s --from-file=bin --from-literal=user=joé
    schema: 'io.k8s.api.core.v1.Secret',
    type: { apiVersion: 'v1', kind: 'Secret' },
    base64:
      'azhzAAoMCgJ2MRIGU2VjcmV0Ei8KEQoBcxIAGgAiACoAMgA4AEIAEgoKA2JpbhIDAP/+EgwKBHVzZXISBGpvw6kaABoAIgA=',
    object: { metadata: { name: 's' }, data: { bin: 'AP/+', user: 'am/DqQ==' } },
  },
  {
    // kubectl drain n1 --force --disable-eviction --grace-period=0
    schema: 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
    type: { apiVersion: 'v1', kind: 'DeleteOptions' },
    base64: 'azhzAAoTCgJ2MRINRGVsZXRlT3B0aW9ucxICCAAaACIA',
    object: { gracePeriodSeconds: 0 },
  },
];

interface KubectlBody {
  schema: string;
  type: { apiVersion: string; kind: string };
  base64: string;
  object: object;
}
