import { readFile } from 'node:fs/promises';
import { parseTokenFile, type StaticToken } from './api/access/bearer-tokens.ts';
import {
  type Authentication,
  issuerOfSettings,
  parseAuthenticationConfig,
} from './api/access/oidc/authentication-config.ts';
import { userOfClaims } from './api/access/oidc/user-of-claims.ts';
import { ConfigError, type ServerConfig } from './config/server-config.ts';

/** How people log in, from the settings and the files that they name. Throws ConfigError. */
export async function readAuthentication(
  config: ServerConfig,
): Promise<{ staticTokens: readonly StaticToken[]; authentication: Authentication }> {
  const authentication = await readIssuers(config);
  return { authentication, staticTokens: await readTokens(config.tokenAuthFile) };
}

async function readTokens(path: string | undefined): Promise<readonly StaticToken[]> {
  if (path === undefined) return [];
  try {
    return parseTokenFile(await readFile(path, 'utf8'));
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`tokenAuthFile cannot be used: ${words}`, { cause: error });
  }
}

async function readIssuers(config: ServerConfig): Promise<Authentication> {
  const anonymous = { enabled: config.anonymousAuth ?? false, paths: [] };
  const { authenticationConfig: path } = config;
  try {
    if (path === undefined) {
      const ca = config.oidcCaFile === undefined ? undefined : await readFile(config.oidcCaFile, 'utf8');
      const issuer = issuerOfSettings(config, ca);
      return { anonymous, issuers: issuer ? [checked(issuer)] : [] };
    }
    if (config.oidcIssuerUrl !== undefined) throw new Error('it stands in place of the settings oidc…');
    const read = parseAuthenticationConfig(await readFile(path, 'utf8'));
    if (read.anonymous && config.anonymousAuth !== undefined) {
      throw new Error('anonymous: it stands in place of the setting anonymousAuth');
    }
    return { anonymous, ...read, issuers: read.issuers.map(checked) };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    const setting = path === undefined ? 'the OpenID Connect settings' : 'authenticationConfig';
    throw new ConfigError(`${setting} cannot be used: ${words}`, { cause: error });
  }
}

/** Expressions that do not compile shall end the start, not the first log-in. */
function checked<T extends Parameters<typeof userOfClaims>[0]>(issuer: T): T {
  userOfClaims(issuer);
  return issuer;
}
