import type { IncomingMessage } from 'node:http';
import { StatusError } from '../../../protocol/status.ts';
import { authenticatedGroup, type User } from './user.ts';

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

/** There are no anonymous users: throws Unauthorized when nobody knows the sender. */
export async function identify(authenticate: Authenticator, request: IncomingMessage): Promise<User> {
  const user = await authenticate(request);
  if (!user) throw unauthorized();
  return user.groups.includes(authenticatedGroup)
    ? user
    : { ...user, groups: [...user.groups, authenticatedGroup] };
}

export function unauthorized(): StatusError {
  return new StatusError('Unauthorized', 'Unauthorized');
}
