import { createPublicKey, type KeyObject } from 'node:crypto';
import * as v from 'valibot';
import { type BackoffOptions, backoffMs } from '../../../../lib/backoff.ts';
import type { Clock } from '../../../../lib/clock.ts';
import type { Logger } from '../../../../lib/log.ts';
import type { OidcIssuer } from './authentication-config.ts';

/** The public keys of one issuer, as its discovery document leads to them. */
export interface IssuerKeysOptions {
  issuer: Pick<OidcIssuer, 'url' | 'discoveryUrl'>;
  /** Rejects when there is no answer, or none that is JSON. */
  fetchJson: (url: string) => Promise<unknown>;
  clock: Clock;
  log: Logger;
}

interface KnownKey {
  id: string | undefined;
  algorithm: string | undefined;
  key: KeyObject;
}

/** Keys that the issuer has taken back stop counting within this time, as long as it can be reached. */
const refreshAfterMs = 15 * 60_000;
/** However many tokens name keys that nobody knows, the issuer is asked no more often than this. */
const askAgainMs = 10_000;
const failureBackoff: BackoffOptions = { baseMs: 1_000, capMs: 60_000 };
const keysMax = 100;

const configurationSchema = v.object({ issuer: v.string(), jwks_uri: v.string() });
const keySetSchema = v.object({ keys: v.array(v.record(v.string(), v.unknown())) });

/**
 * Keys are fetched when somebody needs one that is not known, and again now and then while they are used. Once known
 * they count for as long as the issuer cannot be asked.
 */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  #known: readonly KnownKey[] = [];
  #fetchedAt: number | undefined;
  #askAt = 0;
  #failures = 0;
  #asking: Promise<void> | undefined;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
  }

  /** The keys that may have signed a token with this header; asks the issuer when none is known. */
  async candidates(keyId: string | undefined, algorithm: string): Promise<readonly KeyObject[]> {
    const known = this.#matching(keyId, algorithm);
    if (known.length === 0) {
      await this.refresh();
      return this.#matching(keyId, algorithm);
    }
    if (this.#isOld()) void this.refresh();
    return known;
  }

  /** Asks the issuer unless that was done, or failed, a moment ago. Never rejects. */
  refresh(): Promise<void> {
    const { clock } = this.#options;
    if (this.#asking) return this.#asking;
    if (clock.monotonic() < this.#askAt) return Promise.resolve();
    this.#asking = this.#fetch().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  #matching(keyId: string | undefined, algorithm: string): KeyObject[] {
    return this.#known
      .filter(({ id }) => keyId === undefined || id === keyId)
      .filter((candidate) => candidate.algorithm === undefined || candidate.algorithm === algorithm)
      .map(({ key }) => key);
  }

  #isOld(): boolean {
    const { clock } = this.#options;
    return this.#fetchedAt !== undefined && clock.monotonic() - this.#fetchedAt >= refreshAfterMs;
  }

  async #fetch(): Promise<void> {
    const { clock, log, issuer } = this.#options;
    try {
      this.#known = await this.#download();
      this.#fetchedAt = clock.monotonic();
      this.#failures = 0;
      this.#askAt = clock.monotonic() + askAgainMs;
    } catch (error) {
      this.#failures += 1;
      this.#askAt = clock.monotonic() + backoffMs(this.#failures, failureBackoff);
      log.warn('cannot fetch the keys of an OpenID Connect issuer', {
        issuer: issuer.url,
        known: this.#known.length,
        error,
      });
    }
  }

  async #download(): Promise<KnownKey[]> {
    const { issuer, fetchJson } = this.#options;
    const url = issuer.discoveryUrl ?? `${issuer.url.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const configuration = v.parse(configurationSchema, await fetchJson(url));
    if (configuration.issuer !== issuer.url) {
      throw new Error(`${url} speaks for the issuer ${configuration.issuer}`);
    }
    const { keys } = v.parse(keySetSchema, await fetchJson(configuration.jwks_uri));
    return keys.slice(0, keysMax).flatMap(readKey);
  }
}

/** None for what is no key for signatures, or none that is known here: a set may hold others too. */
function readKey(jwk: Record<string, unknown>): KnownKey[] {
  const { kid, alg, use } = jwk;
  if (use !== undefined && use !== 'sig') return [];
  try {
    return [
      {
        id: typeof kid === 'string' ? kid : undefined,
        algorithm: typeof alg === 'string' ? alg : undefined,
        key: createPublicKey({ key: jwk, format: 'jwk' }),
      },
    ];
  } catch {
    return [];
  }
}
