/** Who sends a request, as an authenticator established it. */
export interface User {
  name: string;
  uid?: string;
  groups: readonly string[];
  /** What else the credential says, by key, e.g. the pod that a token was made for. */
  extra?: Readonly<Record<string, readonly string[]>>;
}

/** Group that every identified user is in. */
export const authenticatedGroup = 'system:authenticated';
/** May do everything, whatever the roles say. */
export const mastersGroup = 'system:masters';
export const anonymousName = 'system:anonymous';
/** Group of who showed no credential. */
export const unauthenticatedGroup = 'system:unauthenticated';

export const serviceAccountPrefix = 'system:serviceaccount:';
export const serviceAccountsGroup = 'system:serviceaccounts';

export function serviceAccountUserName(namespace: string, name: string): string {
  return `${serviceAccountPrefix}${namespace}:${name}`;
}

export function serviceAccountGroups(namespace: string): string[] {
  return [serviceAccountsGroup, `${serviceAccountsGroup}:${namespace}`];
}

/** The account that a user name is that of; undefined for everybody else. */
export function serviceAccountOf(userName: string): { namespace: string; name: string } | undefined {
  if (!userName.startsWith(serviceAccountPrefix)) return undefined;
  const [namespace, name, ...more] = userName.slice(serviceAccountPrefix.length).split(':');
  return namespace && name && more.length === 0 ? { namespace, name } : undefined;
}
