import type { IncomingMessage } from 'node:http';
import { StatusError } from '../../../protocol/status.ts';
import { anonymousName, authenticatedGroup, type User, unauthenticatedGroup } from './user.ts';

/**
 * Establishes who sends a request. Undefined: this authenticator has nothing to say, the next one is asked. A
 * credential that is presented and wrong throws Unauthorized, and nobody else is asked.
 */
export type Authenticator = (request: IncomingMessage) => Promise<User | undefined> | User | undefined;

/** Asks each in turn; the first answer counts. */
export function authenticateByFirst(authenticators: readonly Authenticator[]): Authenticator {
  return async (request) => {
    for (const authenticate of authenticators) {
      const user = await authenticate(request);
      if (user) return user;
    }
    return undefined;
  };
}

/** Whether requests that show no credential are taken, as those of system:anonymous. */
export interface AnonymousPolicy {
  enabled: boolean;
  /** Only for these paths; for all when empty. */
  paths: readonly string[];
}

/**
 * Who sends the request for `path`. Throws Unauthorized when nobody knows the sender, unless they showed no credential
 * and anonymous requests are taken here.
 */
export async function identify(
  { authenticate, anonymous }: { authenticate: Authenticator; anonymous: AnonymousPolicy },
  request: IncomingMessage,
  path: string,
): Promise<User> {
  const user = await authenticate(request);
  if (!user) {
    if (!anonymous.enabled || (anonymous.paths.length > 0 && !anonymous.paths.includes(path))) {
      throw unauthorized();
    }
    return { name: anonymousName, groups: [unauthenticatedGroup] };
  }
  return user.groups.includes(authenticatedGroup)
    ? user
    : { ...user, groups: [...user.groups, authenticatedGroup] };
}

export function unauthorized(): StatusError {
  return new StatusError('Unauthorized', 'Unauthorized');
}
