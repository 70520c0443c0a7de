import type { Clock } from '../../../../lib/clock.ts';
import type { Logger } from '../../../../lib/log.ts';
import { unauthorized } from '../authenticator.ts';
import type { TokenAuthenticator } from '../bearer-tokens.ts';
import type { OidcIssuer } from './authentication-config.ts';
import { fetchJson } from './fetch-json.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { isSignedBy, readSignedToken, type SignedToken } from './signature.ts';
import { ClaimsError, userOfClaims } from './user-of-claims.ts';

export interface OidcOptions {
  issuer: OidcIssuer;
  /** Whom a token that says nothing of it is for: this API. */
  apiAudiences: readonly string[];
  clock: Clock;
  log: Logger;
  /** GETs a JSON document; over HTTPS unless given. */
  fetch?: (url: string) => Promise<unknown>;
}

/** Issuers' clocks differ from this one. */
const notBeforeLeewayMs = 5 * 60_000;

/**
 * Id tokens of one OpenID Connect issuer (source: OpenID Connect Core, 2 and 3.1.3.7). Tokens of other issuers are left
 * to the next authenticator. Asks for the issuer's keys at once, so that the first who logs in need not wait.
 */
export function oidcAuthenticator({
  issuer,
  apiAudiences,
  clock,
  log,
  fetch,
}: OidcOptions): TokenAuthenticator {
  const get = fetch ?? ((url: string) => fetchJson(url, { ca: issuer.ca, clock }));
  const keys = new IssuerKeys({ issuer, fetchJson: get, clock, log });
  const makeUser = userOfClaims(issuer);
  void keys.refresh();

  return async (token, audiences) => {
    const own = audiences.filter((audience) => apiAudiences.includes(audience));
    const read = readSignedToken(token);
    if (!read || read.claims['iss'] !== issuer.url || own.length === 0) return undefined;
    try {
      await requireSignature(read, { issuer, keys });
      requireClaims(read.claims, issuer, clock.now());
      return { user: makeUser(read.claims), audiences: own };
    } catch (error) {
      log.info('a token of an OpenID Connect issuer was refused', {
        issuer: issuer.url,
        why: error instanceof Error ? error.message : String(error),
      });
      throw unauthorized();
    }
  };
}

async function requireSignature(
  token: SignedToken,
  { issuer, keys }: { issuer: OidcIssuer; keys: IssuerKeys },
): Promise<void> {
  if (!issuer.algorithms.includes(token.algorithm)) {
    throw new ClaimsError(`signed by ${token.algorithm}, which is not among ${issuer.algorithms.join(', ')}`);
  }
  const candidates = await keys.candidates(token.keyId, token.algorithm);
  if (!candidates.some((key) => isSignedBy(token, key))) {
    throw new ClaimsError('signed by no key of the issuer that is known');
  }
}

function requireClaims(claims: SignedToken['claims'], { audiences }: OidcIssuer, nowMs: number): void {
  const { aud, exp, nbf } = claims;
  if (!audiencesOf(aud).some((audience) => audiences.some((wanted) => wanted === audience))) {
    throw new ClaimsError(`not for ${audiences.join(' or ')}`);
  }
  if (typeof exp !== 'number' || nowMs >= exp * 1000) throw new ClaimsError('expired');
  if (nbf !== undefined && !(typeof nbf === 'number' && nowMs + notBeforeLeewayMs >= nbf * 1000)) {
    throw new ClaimsError('not valid yet');
  }
}

function audiencesOf(aud: unknown): unknown[] {
  return Array.isArray(aud) ? aud : [aud];
}
