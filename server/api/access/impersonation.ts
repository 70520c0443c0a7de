import type { IncomingMessage } from 'node:http';
import { StatusError } from '../../../protocol/status.ts';
import type { ResourceAccess } from './access-request.ts';
import { type Authorizer, enforce } from './authorizer.ts';
import {
  anonymousName,
  authenticatedGroup,
  serviceAccountGroups,
  serviceAccountOf,
  type User,
  unauthenticatedGroup,
} from './user.ts';

const extraPrefix = 'impersonate-extra-';

/**
 * Who the request acts as: the sender, or whom its `Impersonate-*` headers name, if the sender may impersonate
 * every part of that (user, groups, uid, extras). Throws Forbidden, and BadRequest for headers without a user.
 */
export async function actingUser(
  authorize: Authorizer,
  sender: User,
  request: IncomingMessage,
): Promise<User> {
  const wanted = readHeaders(request);
  if (!wanted) return sender;
  for (const access of accessesOf(wanted)) await enforce(authorize, sender, access);
  const { name, uid, extra } = wanted;
  return {
    name,
    groups: groupsOf(wanted),
    ...(uid === undefined ? {} : { uid }),
    ...(extra ? { extra } : {}),
  };
}

function readHeaders({ headersDistinct }: IncomingMessage): User | undefined {
  const [name, ...more] = headersDistinct['impersonate-user'] ?? [];
  const groups = headersDistinct['impersonate-group'] ?? [];
  const [uid] = headersDistinct['impersonate-uid'] ?? [];
  const extra = Object.entries(headersDistinct).flatMap(([header, values]) =>
    header.startsWith(extraPrefix) && values
      ? [[decodeKey(header.slice(extraPrefix.length)), values] as const]
      : [],
  );
  if (more.length > 0) throw new StatusError('BadRequest', 'only one user can be impersonated');
  if (name) {
    const given = extra.length > 0 ? { extra: Object.fromEntries(extra) } : {};
    return { name, groups, ...(uid ? { uid } : {}), ...given };
  }
  if (groups.length > 0 || uid || extra.length > 0)
    throw new StatusError('BadRequest', 'groups, uid and extras cannot be impersonated without a user');
  return undefined;
}

/** Keys may hold what headers may not; a broken escape is taken as it stands (as Kubernetes). */
function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

function accessesOf({ name, groups, uid, extra = {} }: User): ResourceAccess[] {
  const account = serviceAccountOf(name);
  const impersonate = (part: Partial<ResourceAccess> & { resource: string; name: string }) => ({
    type: 'resource' as const,
    verb: 'impersonate',
    group: '',
    subresource: undefined,
    namespace: undefined,
    ...part,
  });
  const identity = 'authentication.k8s.io';
  return [
    account
      ? impersonate({ resource: 'serviceaccounts', namespace: account.namespace, name: account.name })
      : impersonate({ resource: 'users', name }),
    ...groups.map((group) => impersonate({ resource: 'groups', name: group })),
    ...(uid === undefined ? [] : [impersonate({ group: identity, resource: 'uids', name: uid })]),
    ...Object.entries(extra).flatMap(([key, values]) =>
      values.map((value) =>
        impersonate({ group: identity, resource: 'userextras', subresource: key, name: value }),
      ),
    ),
  ];
}

/**
 * Everybody but the anonymous user is in system:authenticated; an account is in its groups unless others were asked
 * for.
 */
function groupsOf({ name, groups }: User): string[] {
  const account = serviceAccountOf(name);
  const own = groups.length === 0 && account ? serviceAccountGroups(account.namespace) : groups;
  const implied = name === anonymousName ? unauthenticatedGroup : authenticatedGroup;
  return own.includes(implied) || own.includes(authenticatedGroup) || own.includes(unauthenticatedGroup)
    ? [...own]
    : [...own, implied];
}
