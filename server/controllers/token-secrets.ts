import type { Secret, ServiceAccount } from '../../protocol/generated/models.ts';
import { secretKind } from '../../protocol/kinds/secret.ts';
import { serviceAccountKind } from '../../protocol/kinds/service-account.ts';
import { objectKey, splitKey, storedMeta } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Registry } from '../registry/registry.ts';
import { type ControllerDefinition, defineController } from './define-controller.ts';
import { ignoreGone } from './expected-failures.ts';

export interface TokenSecretsOptions {
  /** A token for the account that holds as long as the secret exists. */
  issue(order: { account: Owner; secret: Owner }): string;
  /** PEM. */
  caCertificate: string;
}

interface Owner {
  namespace: string;
  name: string;
  uid: string;
}

const secretType = 'kubernetes.io/service-account-token';
const accountName = 'kubernetes.io/service-account.name';
const accountUid = 'kubernetes.io/service-account.uid';
const byAccount = 'token-account';

/**
 * Fills Secrets of type kubernetes.io/service-account-token, the old way to a token that lasts, for whom no
 * short-lived one will do. Such a secret goes with its account.
 */
export function tokenSecretsController(options: TokenSecretsOptions): ControllerDefinition {
  return defineController({
    name: 'serviceaccount-token',
    workers: 2,
    setup({ registry, cache, follow }, enqueue) {
      const secrets = cache.informer(secretKind);
      secrets.addIndex(byAccount, (secret) => accountKeys(secret));
      follow(secrets, ({ type, object }) => {
        if (type !== 'deleted' && object.type === secretType) enqueue(objectKey(object));
      });
      follow(cache.informer(serviceAccountKind), ({ type, object }) => {
        if (type !== 'deleted') return;
        for (const secret of secrets.byIndex(byAccount, objectKey(object))) enqueue(objectKey(secret));
      });
      return async (key) => {
        const { namespace = '', name } = splitKey(key);
        const secret = secrets.get(namespace, name);
        if (!secret || secret.type !== secretType || secret.metadata?.deletionTimestamp !== undefined) return;
        await settle(registry, secret, options).catch(ignoreGone);
      };
    },
  });
}

async function settle(
  registry: Registry,
  secret: Readonly<Secret>,
  options: TokenSecretsOptions,
): Promise<void> {
  const { namespace = '', name, uid, annotations = {} } = storedMeta(secret);
  // The account's copy in the cache may be older than the secret's: what is decided here must not rest on that.
  const account = await findAccount(registry, { namespace, name: annotations[accountName] ?? '' });
  const own = account && storedMeta(account);
  if (!own || (annotations[accountUid] && annotations[accountUid] !== own.uid)) {
    await registry.delete(secretKind, { namespace, name }, { preconditions: { uid } });
    return;
  }
  if (secret.data?.['token'] && secret.data['ca.crt'] && secret.data['namespace']) return;
  const token = options.issue({
    account: { namespace, name: own.name, uid: own.uid },
    secret: { namespace, name, uid },
  });
  await registry.mutate(secretKind, { namespace, name }, (draft) => {
    if (draft.metadata?.uid !== uid) return;
    const data = (draft.data ??= {});
    data['token'] ||= base64(token);
    data['ca.crt'] ||= base64(options.caCertificate);
    data['namespace'] ||= base64(namespace);
    draft.metadata.annotations = { ...draft.metadata.annotations, [accountUid]: own.uid };
  });
}

async function findAccount(
  registry: Registry,
  at: { namespace: string; name: string },
): Promise<ServiceAccount | undefined> {
  try {
    return await registry.get(serviceAccountKind, at);
  } catch (error) {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  }
}

function accountKeys({ type, metadata }: Readonly<Secret>): string[] {
  const name = metadata?.annotations?.[accountName];
  return type === secretType && name !== undefined ? [`${metadata?.namespace ?? ''}/${name}`] : [];
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
