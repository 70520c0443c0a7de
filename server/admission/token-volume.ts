import { nameSuffix, type Random } from '../../lib/random.ts';
import type { Container, PodSpec, ServiceAccount, Volume } from '../../protocol/generated/models.ts';
import { tokenSecondsUnchosen } from '../../protocol/topics/tokens.ts';

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const namePrefix = 'kube-api-access-';

/**
 * Puts the account's token, the authority and the namespace where every client library looks for them, unless pod or
 * account say otherwise or a container has something else in that place. In place.
 */
export function mountToken(spec: PodSpec, account: Readonly<ServiceAccount>, random: Random): void {
  if (!(spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true)) return;
  const lacking = [...(spec.initContainers ?? []), ...spec.containers].filter(
    ({ volumeMounts }: Container) => !volumeMounts?.some((mount) => mount.mountPath === mountPath),
  );
  if (lacking.length === 0) return;
  const known = spec.volumes?.find(({ name }) => name.startsWith(namePrefix));
  const name = known?.name ?? `${namePrefix}${nameSuffix(random)}`;
  if (!known) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
  for (const container of lacking)
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath }];
}

function tokenVolume(name: string): Volume {
  const namespace = { path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } };
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenSecondsUnchosen, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [namespace] } },
      ],
    },
  };
}
