import type { User } from '../user.ts';
import type { ClaimRule, Mapping, OidcIssuer } from './authentication-config.ts';
import { compileExpression, type Expression } from './claim-expressions.ts';

type Claims = Readonly<Record<string, unknown>>;

/** Why a token that its issuer signed makes no user; for the log, not for its sender. */
export class ClaimsError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ClaimsError';
  }
}

/**
 * Prepares an issuer's rules; what is returned makes a user of verified claims and throws ClaimsError when they do not
 * make one. Throws an Error when an expression does not compile.
 */
export function userOfClaims(issuer: OidcIssuer): (claims: Claims) => User {
  const rules = issuer.claimRules.map(compileRule);
  const username = compileMapping(issuer.username);
  const groups = issuer.groups && compileMapping(issuer.groups);
  const uid = issuer.uid && compileMapping(issuer.uid);
  const extra = issuer.extra.map(({ key, valueExpression }) => ({
    key,
    value: compileExpression(valueExpression, 'claims'),
  }));
  const userRules = issuer.userRules.map(({ expression, message }) => ({
    expression: compileExpression(expression, 'user'),
    message: message || expression,
  }));
  return (claims) => {
    for (const rule of rules) rule(claims);
    requireVerifiedEmail(issuer.username, claims);
    const user: User = {
      name: username(claims)[0] ?? '',
      groups: groups?.(claims) ?? [],
      ...withUid(uid?.(claims)[0]),
      ...withExtra(claims, extra),
    };
    if (user.name === '') throw new ClaimsError('the token names no user');
    for (const { expression, message } of userRules) {
      if (expression.evaluate(describe(user)) !== true) throw new ClaimsError(message);
    }
    return user;
  };
}

/** Groups are one string or several; anything else that is not a string is no value. */
function compileMapping(mapping: Mapping): (claims: Claims) => string[] {
  if ('expression' in mapping) {
    const expression = compileExpression(mapping.expression, 'claims');
    return (claims) => stringsOf(expression.evaluate(claims), mapping.expression);
  }
  const { claim, prefix } = mapping;
  return (claims) => stringsOf(ownClaim(claims, claim), claim).map((value) => prefix + value);
}

function stringsOf(value: unknown, source: string): string[] {
  if (value === undefined || value === null || value === '') return [];
  const values: unknown[] = [value].flat();
  return values.map((one) => {
    if (typeof one !== 'string') throw new ClaimsError(`${source} is not a string`);
    return one;
  });
}

function compileRule(rule: ClaimRule): (claims: Claims) => void {
  if ('claim' in rule) {
    const { claim, requiredValue } = rule;
    return (claims) => {
      if (ownClaim(claims, claim) !== requiredValue)
        throw new ClaimsError(`the claim ${claim} is not ${requiredValue}`);
    };
  }
  const expression = compileExpression(rule.expression, 'claims');
  return (claims) => {
    if (expression.evaluate(claims) !== true) throw new ClaimsError(rule.message || rule.expression);
  };
}

/** An address that its issuer could not verify names nobody (as Kubernetes). */
function requireVerifiedEmail(username: Mapping, claims: Claims): void {
  const verified = ownClaim(claims, 'email_verified');
  if ('claim' in username && username.claim === 'email' && verified !== undefined && verified !== true)
    throw new ClaimsError('the email address is not verified');
}

function ownClaim(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

function withUid(uid: string | undefined): { uid?: string } {
  return uid === undefined ? {} : { uid };
}

function withExtra(
  claims: Claims,
  mappings: readonly { key: string; value: Expression }[],
): Pick<User, 'extra'> {
  const id = ownClaim(claims, 'jti');
  const entries = mappings.map(({ key, value }) => [key, stringsOf(value.evaluate(claims), key)] as const);
  const given = entries.filter(([, values]) => values.length > 0);
  if (typeof id === 'string') given.push(['authentication.kubernetes.io/credential-id', [`JTI=${id}`]]);
  return given.length > 0 ? { extra: Object.fromEntries(given) } : {};
}

/** A user as rules see it (source: Kubernetes' UserInfo). */
function describe({ name, uid = '', groups, extra = {} }: User): object {
  return { username: name, uid, groups: [...groups], extra };
}
