import type { ConfigMap } from '../../protocol/generated/models.ts';
import { configMapKind } from '../../protocol/kinds/config-map.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Registry } from '../registry/registry.ts';

export interface TrustOptions {
  /** PEM; of the certificates of people and programs. */
  clientCa: string;
  frontProxy: { ca: string; commonName: string };
}

/**
 * Tells extension API servers whom to trust, where their libraries look for it: which authority signs clients, and
 * whose word counts when a header names the user.
 */
export async function publishTrust(registry: Registry, options: TrustOptions): Promise<void> {
  const { clientCa, frontProxy } = options;
  const data = {
    'client-ca-file': clientCa,
    'requestheader-allowed-names': JSON.stringify([frontProxy.commonName]),
    'requestheader-client-ca-file': frontProxy.ca,
    'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
    'requestheader-uid-headers': '["X-Remote-Uid"]',
    'requestheader-username-headers': '["X-Remote-User"]',
  };
  const at = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
  const wanted: ConfigMap = { metadata: at, data };
  try {
    await registry.create(configMapKind, wanted);
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) throw error;
    await registry.mutate(configMapKind, at, (draft) => {
      draft.data = { ...draft.data, ...data };
    });
  }
}
