import type { Clock } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import type { AdmissionPlugin } from '../../admission/define-admission.ts';
import type { Cache } from '../../cache/informer.ts';
import type { TokenSigner } from '../../identity/json-web-token.ts';
import { nameClaim } from '../../identity/node-key.ts';
import {
  createServiceAccountTokens,
  type ServiceAccountTokens,
} from '../../identity/service-account-tokens.ts';
import type { Registry } from '../../registry/registry.ts';
import { type AnonymousPolicy, type Authenticator, authenticateByFirst } from './authenticator.ts';
import { type Authorizer, authorizeByFirst, authorizeMasters } from './authorizer.ts';
import {
  authenticateTokenByFirst,
  bearerAuthenticator,
  type StaticToken,
  staticTokenAuthenticator,
  type TokenAuthenticator,
} from './bearer-tokens.ts';
import { bootstrapTokenAuthenticator } from './bootstrap-token-authenticator.ts';
import { clientCertificateAuthenticator } from './client-certificate.ts';
import { type NodePods, nodeAuthorizer, watchNodePods } from './node-authorizer.ts';
import { nodeRestriction } from './node-restriction.ts';
import type { Authentication } from './oidc/authentication-config.ts';
import { oidcAuthenticator } from './oidc/oidc-authenticator.ts';
import { escalationCheck } from './rbac/escalation.ts';
import { watchGrants } from './rbac/granted-rules.ts';
import { type HeldRules, heldRules, rbacAuthorizer } from './rbac/rbac-authorizer.ts';
import { serviceAccountAuthenticator } from './service-account-authenticator.ts';

/** Who is who and who may do what, for the whole API. */
export interface ApiAccess {
  authenticate: Authenticator;
  /** Who is taken without any credential. */
  anonymous: AnonymousPolicy;
  authenticateToken: TokenAuthenticator;
  /** Whom a token must be for unless a request says otherwise. */
  audiences: readonly string[];
  authorize: Authorizer;
  heldRules: HeldRules;
  serviceAccounts: ServiceAccountTokens;
  /** The pods of each node, which decide what that node may ask for. */
  nodePods: NodePods;
  /** What is said against what somebody writes, where that decides and not only where it is written. */
  admission: readonly AdmissionPlugin[];
}

export interface AccessOptions {
  registry: Registry;
  /** Must have synced before the first answer. */
  cache: Cache;
  signer: TokenSigner;
  staticTokens: readonly StaticToken[];
  /** Whose tokens count beside the server's own, and whether anonymous requests are taken; nobody's and no. */
  authentication?: Authentication;
  clock: Clock;
  random: Random;
  log: Logger;
}

export function createAccess({
  registry,
  cache,
  signer,
  staticTokens,
  authentication = { issuers: [] },
  clock,
  random,
  log,
}: AccessOptions): ApiAccess {
  const granted = watchGrants(cache);
  const nodePods = watchNodePods(cache);
  const byRole = rbacAuthorizer(granted);
  const serviceAccounts = createServiceAccountTokens({ registry, signer, clock, random });
  const audiences = [signer.issuer];
  const authenticateToken = authenticateTokenByFirst([
    staticTokenAuthenticator(staticTokens),
    serviceAccountAuthenticator(serviceAccounts),
    ...authentication.issuers.map((issuer) =>
      oidcAuthenticator({ issuer, apiAudiences: audiences, clock, log }),
    ),
    bootstrapTokenAuthenticator({ registry, clock }),
  ]);
  const holdsNode = async (node: string, key: string) => (await nameClaim(registry, node, key)) === 'same';
  return {
    authenticate: authenticateByFirst([
      clientCertificateAuthenticator({ clock, holdsNode }),
      bearerAuthenticator(authenticateToken, audiences),
    ]),
    anonymous: authentication.anonymous ?? { enabled: false, paths: [] },
    authenticateToken,
    audiences,
    authorize: authorizeByFirst([authorizeMasters, nodeAuthorizer(nodePods), byRole]),
    heldRules: heldRules(granted),
    serviceAccounts,
    nodePods,
    admission: [nodeRestriction(nodePods), escalationCheck({ granted, may: byRole })],
  };
}
