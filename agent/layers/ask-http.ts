import { type IncomingMessage, Agent as PlainAgent, request as requestPlainly } from 'node:http';
import { request as requestSecurely, Agent as SecureAgent } from 'node:https';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import type { Clock } from '../../lib/clock.ts';
import { once } from '../../lib/once.ts';
import { LayerError } from './layer-error.ts';

export interface HttpAsk {
  url: URL;
  method?: 'GET' | 'POST';
  headers: Readonly<Record<string, string>>;
  body?: string;
  signal: AbortSignal;
}

/** Asks a server by HTTP; follows redirections, without the log-in when they lead to another server. @throws LayerError `Unreachable`; the signal's reason. */
export type AskHttp = (ask: HttpAsk) => Promise<IncomingMessage>;

export interface HttpOptions {
  clock: Clock;
  /** Certificates are not checked. */
  insecure: boolean;
  /** With the host's proxies. */
  environment: NodeJS.ProcessEnv;
  /** PEM, beside those that the host trusts. */
  authorities: readonly string[];
}

const redirectionsMax = 5;
/** Until an answer begins. */
const answerMs = 30_000;

/** Goes by the host's trusted certificates and by its HTTPS_PROXY and NO_PROXY, as an engine does. */
export function createAskHttp(options: HttpOptions): AskHttp {
  const common = { keepAlive: true, proxyEnv: proxies(options.environment) };
  const context = once(() => trusting(options.authorities));
  const plain = once(() => new PlainAgent(common));
  const secure = once(() =>
    options.insecure
      ? new SecureAgent({ ...common, rejectUnauthorized: false })
      : new SecureAgent({ ...common, secureContext: context() }),
  );
  return async (ask) => {
    let { url, headers } = ask;
    for (let hop = 0; hop <= redirectionsMax; hop += 1) {
      const agent = url.protocol === 'https:' ? secure() : plain();
      const answer = await askOnce({ ...ask, url, headers }, agent, options.clock);
      const { location } = answer.headers;
      if (![301, 302, 303, 307, 308].includes(answer.statusCode ?? 0) || location === undefined)
        return answer;
      answer.resume();
      const next = new URL(location, url);
      if (next.protocol !== 'https:' && next.protocol !== url.protocol)
        throw new LayerError('Unreachable', `${url.host} leads to ${next.protocol}//${next.host}`);
      if (next.host !== url.host) headers = withoutLogIn(headers);
      url = next;
    }
    throw new LayerError('Unreachable', `${ask.url.host} leads on and on`);
  };
}

/** The body of an answer. @throws LayerError `WrongContent` when it is longer. */
export async function readBody(answer: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const part of answer) {
    const chunk = part as Buffer;
    bytes += chunk.length;
    if (bytes > bytesMax) throw new LayerError('WrongContent', `an answer is longer than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function askOnce(
  { url, method = 'GET', headers, body, signal }: HttpAsk,
  agent: PlainAgent | SecureAgent,
  clock: Clock,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const send = url.protocol === 'https:' ? requestSecurely : requestPlainly;
  const asked = send(url, { method, headers, agent });
  const giveUp = () => asked.destroy(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
  const timer = clock.after(answerMs, () =>
    asked.destroy(new Error(`no answer within ${answerMs / 1000} s`)),
  );
  signal.addEventListener('abort', giveUp, { once: true });
  asked.once('response', (answer) => {
    timer.cancel();
    // The connection ends in the middle of the body too.
    answer.once('close', () => signal.removeEventListener('abort', giveUp));
    resolve(answer);
  });
  asked.on('error', (cause) => {
    timer.cancel();
    signal.removeEventListener('abort', giveUp);
    reject(
      signal.aborted
        ? cause
        : new LayerError('Unreachable', `${url.host} cannot be asked: ${cause.message}`, { cause }),
    );
  });
  if (signal.aborted) giveUp();
  asked.end(body);
  return promise;
}

function trusting(authorities: readonly string[]): SecureContext {
  const ofHost = getCACertificates('system');
  const trusted = ofHost.length > 0 ? ofHost : getCACertificates('default');
  return createSecureContext({ ca: [...trusted, ...authorities] });
}

/** As engines see them: never for this device itself. */
function proxies(environment: NodeJS.ProcessEnv): Record<string, string> {
  const given = (name: string) => environment[name.toLowerCase()] ?? environment[name];
  const found = ['HTTP_PROXY', 'HTTPS_PROXY'].flatMap((name): [string, string][] => {
    const value = given(name);
    return value ? [[name, value]] : [];
  });
  const own = ['localhost', '127.0.0.1', '::1'];
  return { ...Object.fromEntries(found), NO_PROXY: [given('NO_PROXY'), ...own].filter(Boolean).join(',') };
}

function withoutLogIn(headers: HttpAsk['headers']): HttpAsk['headers'] {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'),
  );
}
