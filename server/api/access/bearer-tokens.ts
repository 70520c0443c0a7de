import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Authenticator, unauthorized } from './authenticator.ts';
import type { User } from './user.ts';

/** The token of `Authorization: Bearer …`. */
export function bearerToken(request: IncomingMessage): string | undefined {
  const match = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '');
  return match?.[1];
}

/**
 * Looks tokens up in a list. Only their SHA-256 is kept, so that neither memory dumps nor the time a look-up takes tell a
 * token. A token that is not in the list is left to the next authenticator.
 */
export function staticTokenAuthenticator(tokens: readonly StaticToken[]): Authenticator {
  const users = new Map(
    tokens.map(({ token, user }) => [digest(token).toString('hex'), { token: digest(token), user }]),
  );
  return (request) => {
    const token = bearerToken(request);
    if (token === undefined) return undefined;
    const found = users.get(digest(token).toString('hex'));
    return found && timingSafeEqual(found.token, digest(token)) ? found.user : undefined;
  };
}

export interface StaticToken {
  token: string;
  user: User;
}

/**
 * Reads Kubernetes' static token file: lines of `token,user,uid` with an optional fourth column of comma-separated groups
 * in double quotes. Throws an Error that names the line, never its content.
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

/** Refuses bearer tokens that no authenticator before it knew. */
export const refuseUnknownTokens: Authenticator = (request) => {
  if (request.headers.authorization !== undefined) throw unauthorized();
  return undefined;
};
