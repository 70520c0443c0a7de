import type { ServiceAccountTokens, TokenIdentity } from '../../identity/service-account-tokens.ts';
import { unauthorized } from './authenticator.ts';
import type { TokenAuthenticator } from './bearer-tokens.ts';
import { serviceAccountGroups, serviceAccountUserName, type User } from './user.ts';

/** Service accounts, by the tokens that this server signed. */
export function serviceAccountAuthenticator(tokens: ServiceAccountTokens): TokenAuthenticator {
  return async (token, audiences) => {
    const identity = await tokens.authenticate(token, audiences);
    if (!identity) return undefined;
    if ('refused' in identity) throw unauthorized();
    return { user: userOf(identity), audiences: identity.audiences };
  };
}

function userOf({ namespace, name, uid, tokenId, pod, node }: TokenIdentity): User {
  const extra = Object.entries({
    'credential-id': tokenId === undefined ? undefined : `JTI=${tokenId}`,
    'pod-name': pod?.name,
    'pod-uid': pod?.uid,
    'node-name': node?.name,
    'node-uid': node?.uid,
  }).flatMap(([key, value]) =>
    value === undefined ? [] : [[`authentication.kubernetes.io/${key}`, [value]] as const],
  );
  return {
    name: serviceAccountUserName(namespace, name),
    uid,
    groups: serviceAccountGroups(namespace),
    ...(extra.length > 0 ? { extra: Object.fromEntries(extra) } : {}),
  };
}
