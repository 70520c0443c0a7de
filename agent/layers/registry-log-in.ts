import * as v from 'valibot';
import type { Clock } from '../../lib/clock.ts';
import type { RegistryCredential } from '../drivers/driver.ts';
import { type AskHttp, readBody } from './ask-http.ts';
import { LayerError } from './layer-error.ts';

/** What is said to a registry so that it answers: nothing, a name and password, or a token that it leads to. */
export interface LogIn {
  /** For the header `Authorization`; undefined when nothing is to be said, as far as is known. */
  authorization(): string | undefined;
  /** After an answer 401. @throws LayerError `Refused`, `Unreachable` */
  answer(challenge: string, signal: AbortSignal): Promise<void>;
}

export interface LogInOptions {
  ask: AskHttp;
  clock: Clock;
  credential: RegistryCredential | undefined;
  /** `repository:library/nginx:pull`. */
  scope: string;
}

const tokenSchema = v.object({
  token: v.optional(v.string()),
  access_token: v.optional(v.string()),
  expires_in: v.optional(v.number()),
});
const tokenBytesMax = 64 * 1024;
/** For tokens that do not say how long they live. */
const tokenLifeMs = 60_000;

export function createLogIn({ ask, clock, credential, scope }: LogInOptions): LogIn {
  let said: { authorization: string; untilMs: number } | undefined;
  const forEver = (authorization: string) => ({ authorization, untilMs: Number.POSITIVE_INFINITY });
  return {
    authorization: () => (said && clock.monotonic() < said.untilMs ? said.authorization : undefined),
    async answer(challenge, signal) {
      const { scheme, fields } = parseChallenge(challenge);
      if (scheme === 'basic' && credential?.auth !== undefined)
        return void (said = forEver(`Basic ${credential.auth}`));
      if (scheme !== 'bearer') throw new LayerError('Refused', 'unauthorized: authentication required');
      if (credential?.registrytoken !== undefined)
        return void (said = forEver(`Bearer ${credential.registrytoken}`));
      const { token, lifeMs } = await askForToken({ ask, credential, fields, scope, signal });
      said = { authorization: `Bearer ${token}`, untilMs: clock.monotonic() + lifeMs };
    },
  };
}

interface TokenAsk extends Pick<LogInOptions, 'ask' | 'credential' | 'scope'> {
  fields: Readonly<Record<string, string>>;
  signal: AbortSignal;
}

/** As docker's specification of token authentication has it: GET with a password, POST with an identity token. */
async function askForToken({ ask, credential, fields, scope, signal }: TokenAsk): Promise<{
  token: string;
  lifeMs: number;
}> {
  const url = parseRealm(fields['realm']);
  const asked = { service: fields['service'] ?? '', scope: fields['scope'] ?? scope };
  const form = { ...asked, client_id: 'flotilla', grant_type: 'refresh_token' };
  const identity = credential?.identitytoken;
  if (identity === undefined)
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  const answer = await ask(
    identity === undefined
      ? { url, signal, headers: credential?.auth ? { Authorization: `Basic ${credential.auth}` } : {} }
      : {
          url,
          signal,
          method: 'POST',
          headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
          body: new URLSearchParams({ ...form, refresh_token: identity }).toString(),
        },
  );
  const body = await readBody(answer, tokenBytesMax);
  const parsed = v.safeParse(tokenSchema, parseJson(body.toString()));
  const token = parsed.success ? (parsed.output.token ?? parsed.output.access_token) : undefined;
  if (answer.statusCode !== 200 || token === undefined)
    throw new LayerError('Refused', `unauthorized: ${url.host} gives no token (${answer.statusCode})`);
  const { expires_in: seconds } = parsed.output as v.InferOutput<typeof tokenSchema>;
  return { token, lifeMs: seconds === undefined ? tokenLifeMs : seconds * 900 };
}

/** `Bearer realm="https://…",service="…"`. */
export function parseChallenge(challenge: string): { scheme: string; fields: Record<string, string> } {
  const scheme = /^\s*(\w+)/.exec(challenge)?.[1]?.toLowerCase() ?? '';
  const pairs = challenge.matchAll(/([a-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/gi);
  const fields = [...pairs].map(([, name = '', quoted, plain]): [string, string] => [
    name.toLowerCase(),
    quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '',
  ]);
  return { scheme, fields: Object.fromEntries(fields) };
}

function parseRealm(realm: string | undefined): URL {
  const url = realm !== undefined && URL.canParse(realm) ? new URL(realm) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return url;
  throw new LayerError('Refused', 'the registry wants a token and does not say from where');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
