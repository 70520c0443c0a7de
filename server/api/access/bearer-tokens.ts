import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Authenticator, unauthorized } from './authenticator.ts';
import type { User } from './user.ts';

/** The token of `Authorization: Bearer …`. */
function bearerToken(request: IncomingMessage): string | undefined {
  const match = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '');
  return match?.[1];
}

/**
 * Establishes who a token stands for. Undefined: not a token that this one knows, the next is asked. A token that
 * is recognised and does not hold throws Unauthorized, and nobody else is asked.
 */
export type TokenAuthenticator = (
  token: string,
  audiences: readonly string[],
) => Promise<TokenAnswer | undefined> | TokenAnswer | undefined;

export interface TokenAnswer {
  user: User;
  /** Which of the asked audiences the token is for; all of them when it was made for nobody in particular. */
  audiences?: readonly string[];
}

/** Asks each in turn; the first answer counts. */
export function authenticateTokenByFirst(authenticators: readonly TokenAuthenticator[]): TokenAuthenticator {
  return async (token, audiences) => {
    for (const authenticate of authenticators) {
      const answer = await authenticate(token, audiences);
      if (answer) return answer;
    }
    return undefined;
  };
}

/** Who the request's bearer token stands for. A token, or another scheme, that nobody knows is refused. */
export function bearerAuthenticator(
  authenticate: TokenAuthenticator,
  audiences: readonly string[],
): Authenticator {
  return async (request) => {
    if (request.headers.authorization === undefined) return undefined;
    const token = bearerToken(request);
    const answer = token === undefined ? undefined : await authenticate(token, audiences);
    if (!answer) throw unauthorized();
    return answer.user;
  };
}

/**
 * Looks tokens up in a list. Only their SHA-256 is kept, so that neither memory dumps nor the time a look-up takes
 * tell a token. A token that is not in the list is left to the next authenticator.
 */
export function staticTokenAuthenticator(tokens: readonly StaticToken[]): TokenAuthenticator {
  const users = new Map(
    tokens.map(({ token, user }) => [digest(token).toString('hex'), { token: digest(token), user }]),
  );
  return (token) => {
    const found = users.get(digest(token).toString('hex'));
    return found && timingSafeEqual(found.token, digest(token)) ? { user: found.user } : undefined;
  };
}

export interface StaticToken {
  token: string;
  user: User;
}

/**
 * Reads Kubernetes' static token file: lines of `token,user,uid` with an optional fourth column of comma-separated
 * groups in double quotes. Throws an Error that names the line, never its content.
 */
export function parseTokenFile(text: string): StaticToken[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const [token, name, uid, groups] = columnsOf(line);
    if (!token || !name || uid === undefined)
      throw new Error(`token file line ${index + 1}: want at least token, user name and user uid`);
    const user = { name, uid, groups: (groups ?? '').split(',').flatMap((group) => group.trim() || []) };
    return [{ token, user }];
  });
}

function columnsOf(line: string): string[] {
  const columns = line.matchAll(/(?:^|,)(?:\s*"((?:[^"]|"")*)"\s*|([^,]*))/g);
  return [...columns].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? (plain ?? '').trim());
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
