import { stringify } from 'yaml';

export interface KubeconfigOptions {
  /** e.g. https://127.0.0.1:6443 */
  server: string;
  cluster: string;
  user: string;
  /** PEM. */
  ca: string;
  cert: string;
  key: string;
}

/** The text of a kubeconfig with everything in it, for one cluster and one user. */
export function kubeconfigText({ server, cluster, user, ca, cert, key }: KubeconfigOptions): string {
  const base64 = (pem: string) => Buffer.from(pem).toString('base64');
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': base64(ca) } }],
      users: [
        { name: user, user: { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) } },
      ],
      contexts: [{ name: cluster, context: { cluster, user } }],
      'current-context': cluster,
      preferences: {},
    },
    { lineWidth: 0 },
  );
}
