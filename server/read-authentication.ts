import { readFile } from 'node:fs/promises';
import {
  type Authentication,
  issuerOfSettings,
  parseAuthenticationConfig,
} from './api/access/oidc/authentication-config.ts';
import { userOfClaims } from './api/access/oidc/user-of-claims.ts';
import { ConfigError, type ServerConfig } from './config/server-config.ts';

/** How people log in, from the settings or from the file that they name. Throws ConfigError. */
export async function readAuthentication(config: ServerConfig): Promise<Authentication> {
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
