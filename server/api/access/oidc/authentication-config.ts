import * as v from 'valibot';
import { parse as parseYaml } from 'yaml';
import type { AnonymousPolicy } from '../authenticator.ts';
import { signingAlgorithms } from './signature.ts';

/** Whose tokens count, and what they say of a user (source: Kubernetes' AuthenticationConfiguration). */
export interface OidcIssuer {
  url: string;
  /** Where its configuration is, when not below `url`. */
  discoveryUrl?: string | undefined;
  audiences: readonly string[];
  /** PEM; the system's authorities when absent. */
  ca?: string | undefined;
  algorithms: readonly string[];
  username: Mapping;
  groups?: Mapping | undefined;
  uid?: Mapping | undefined;
  extra: readonly { key: string; valueExpression: string }[];
  claimRules: readonly ClaimRule[];
  userRules: readonly { expression: string; message: string }[];
}

/** A claim as it is, behind a prefix, or what a CEL expression over `claims` makes of them. */
export type Mapping = { claim: string; prefix: string } | { expression: string };

export type ClaimRule = { claim: string; requiredValue: string } | { expression: string; message: string };

export interface Authentication {
  issuers: readonly OidcIssuer[];
  anonymous?: AnonymousPolicy;
}

const isHttps = (url: string) => URL.canParse(url) && url.startsWith('https://');
const httpsUrl = v.pipe(v.string(), v.check(isHttps, 'must be a URL that starts with https://'));
const text = v.pipe(v.string(), v.minLength(1));
const mapping = v.union(
  [v.strictObject({ claim: text, prefix: v.optional(v.string(), '') }), v.strictObject({ expression: text })],
  'must have either claim and prefix, or expression',
);
const jwt = v.strictObject({
  issuer: v.strictObject({
    url: httpsUrl,
    discoveryURL: v.optional(httpsUrl),
    certificateAuthority: v.optional(v.string()),
    audiences: v.pipe(v.array(text), v.minLength(1)),
    audienceMatchPolicy: v.optional(v.literal('MatchAny')),
  }),
  claimValidationRules: v.optional(
    v.array(
      v.union([
        v.strictObject({ claim: text, requiredValue: v.optional(v.string(), '') }),
        v.strictObject({ expression: text, message: v.optional(v.string(), '') }),
      ]),
    ),
    [],
  ),
  claimMappings: v.strictObject({
    username: mapping,
    groups: v.optional(mapping),
    uid: v.optional(mapping),
    extra: v.optional(v.array(v.strictObject({ key: text, valueExpression: text })), []),
  }),
  userValidationRules: v.optional(
    v.array(v.strictObject({ expression: text, message: v.optional(v.string(), '') })),
    [],
  ),
});
const schema = v.strictObject({
  apiVersion: v.pipe(v.string(), v.regex(/^apiserver\.config\.k8s\.io\/v1(alpha1|beta1)?$/)),
  kind: v.literal('AuthenticationConfiguration'),
  jwt: v.optional(v.array(jwt), []),
  anonymous: v.optional(
    v.strictObject({
      enabled: v.boolean(),
      conditions: v.optional(v.array(v.strictObject({ path: text })), []),
    }),
  ),
});

/** Reads Kubernetes' AuthenticationConfiguration (YAML). Throws an Error that names every fault. */
export function parseAuthenticationConfig(file: string): Authentication {
  const parsed = v.safeParse(schema, parseYaml(file, { maxAliasCount: 0 }));
  if (!parsed.success) {
    const faults = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? 'file'}: ${issue.message}`);
    throw new Error(faults.join('; '));
  }
  const { jwt: issuers, anonymous } = parsed.output;
  const twice = issuers.find(({ issuer }, index) =>
    issuers.some((other, at) => at < index && other.issuer.url === issuer.url),
  );
  if (twice) throw new Error(`jwt: two entries for the issuer ${twice.issuer.url}`);
  return {
    issuers: issuers.map(issuerOf),
    ...(anonymous
      ? { anonymous: { enabled: anonymous.enabled, paths: anonymous.conditions.map(({ path }) => path) } }
      : {}),
  };
}

function issuerOf({
  issuer,
  claimMappings,
  claimValidationRules,
  userValidationRules,
}: v.InferOutput<typeof jwt>): OidcIssuer {
  return {
    url: issuer.url,
    discoveryUrl: issuer.discoveryURL,
    audiences: issuer.audiences,
    ca: issuer.certificateAuthority,
    algorithms: signingAlgorithms,
    ...claimMappings,
    claimRules: claimValidationRules,
    userRules: userValidationRules,
  };
}

/** The settings that name one issuer, as kube-apiserver's flags `--oidc-…` do. */
export interface OidcSettings {
  oidcIssuerUrl?: string | undefined;
  oidcClientId?: string | undefined;
  oidcUsernameClaim: string;
  oidcUsernamePrefix?: string | undefined;
  oidcGroupsClaim?: string | undefined;
  oidcGroupsPrefix: string;
  oidcRequiredClaim: readonly string[];
  oidcSigningAlgs: readonly string[];
}

/** Undefined when the settings name no issuer. Throws an Error when they name only a part of one. */
export function issuerOfSettings(settings: OidcSettings, ca: string | undefined): OidcIssuer | undefined {
  const { oidcIssuerUrl: url, oidcClientId: client, oidcUsernameClaim: claim } = settings;
  if (url === undefined && client === undefined) return undefined;
  if (url === undefined || client === undefined)
    throw new Error('oidcIssuerUrl and oidcClientId go together');
  if (!isHttps(url)) throw new Error(`oidcIssuerUrl: ${url} must be a URL that starts with https://`);
  const unknown = settings.oidcSigningAlgs.find((name) => !signingAlgorithms.includes(name));
  if (unknown !== undefined)
    throw new Error(`oidcSigningAlgs: ${unknown} is none of ${signingAlgorithms.join(', ')}`);
  const { oidcUsernamePrefix: prefix = claim === 'email' ? '-' : `${url}#` } = settings;
  const { oidcGroupsClaim: groups } = settings;
  return {
    url,
    audiences: [client],
    ca,
    algorithms: settings.oidcSigningAlgs,
    username: { claim, prefix: prefix === '-' ? '' : prefix },
    ...(groups === undefined ? {} : { groups: { claim: groups, prefix: settings.oidcGroupsPrefix } }),
    extra: [],
    claimRules: settings.oidcRequiredClaim.map(requiredClaim),
    userRules: [],
  };
}

function requiredClaim(pair: string): ClaimRule {
  const at = pair.indexOf('=');
  if (at <= 0) throw new Error(`oidcRequiredClaim: ${pair} is not of the form claim=value`);
  return { claim: pair.slice(0, at), requiredValue: pair.slice(at + 1) };
}
