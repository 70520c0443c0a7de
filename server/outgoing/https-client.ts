import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import { failureWords } from './failure-words.ts';

/** Who is called: where it listens, whom its certificate must name, and who must have signed that. */
export interface HttpsTarget {
  host: string;
  port: number;
  serverName: string;
  /** PEM in base64, as objects carry it; without it the roots that Node knows. */
  caBundle?: string | undefined;
  /** Believe any certificate. */
  insecure?: boolean | undefined;
  /** PEM; who we are. */
  client?: { key: string; certificate: string } | undefined;
}

export interface HttpsCall {
  target: HttpsTarget;
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** As it is told in errors; its path and query are asked for. */
  url: string;
  headers?: Readonly<Record<string, string | readonly string[]>>;
  body?: Buffer;
  timeoutMs: number;
  /** A longer answer is a failure. */
  answerBytesMax: number;
}

export interface HttpsAnswer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** The words are those of Kubernetes: `Post "https://…": dial tcp …: connect: connection refused`. */
export class HttpsCallError extends Error {
  readonly code: 'Unreachable' | 'Timeout' | 'TooLarge' | 'BadAnswer';

  constructor(code: HttpsCallError['code'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'HttpsCallError';
    this.code = code;
  }
}

export interface HttpsClient extends Disposable {
  /** One whole answer, whatever its status. Throws HttpsCallError. */
  call(call: HttpsCall): Promise<HttpsAnswer>;
  /** A request that the caller feeds, reads and bounds; for what is passed through. */
  open(
    target: HttpsTarget,
    request: {
      method: string;
      path: string;
      headers: Readonly<Record<string, string | string[]>>;
      upgrade: boolean;
    },
  ): ClientRequest;
}

/** Calls of one target that are under way at a time; the others of that target wait, those of other targets do not. */
const connectionsPerTargetMax = 32;
const idleConnectionsPerTargetMax = 4;
/** Shorter than most servers keep an idle connection, so that none is used that is being closed. */
const idleConnectionMs = 4_000;

export function createHttpsClient(clock: Clock): HttpsClient {
  const pool = { keepAlive: true, maxFreeSockets: idleConnectionsPerTargetMax, timeout: idleConnectionMs };
  const calls = new Agent({ ...pool, maxSockets: connectionsPerTargetMax });
  // What is passed through may last for hours; the requests that cause it are bounded where they come in.
  const passages = new Agent(pool);
  return {
    async call(call) {
      try {
        return await callOnce(call, calls, clock);
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
        return callOnce(call, calls, clock);
      }
    },
    open: (target, { upgrade, ...request }) =>
      httpsRequest({ ...tlsOptions(target), ...request, agent: upgrade ? false : passages }),
    [Symbol.dispose]() {
      calls.destroy();
      passages.destroy();
    },
  };
}

function tlsOptions({ host, port, serverName, caBundle, insecure = false, client }: HttpsTarget) {
  return {
    host,
    port,
    servername: isIP(serverName) === 0 ? serverName : '',
    minVersion: 'TLSv1.2' as const,
    rejectUnauthorized: !insecure,
    ...(caBundle ? { ca: Buffer.from(caBundle, 'base64').toString() } : {}),
    ...(client ? { key: client.key, cert: client.certificate } : {}),
  };
}

/** The server closed a kept connection just when it was used again. */
class StaleConnection extends HttpsCallError {}

function callOnce(call: HttpsCall, agent: Agent, clock: Clock): Promise<HttpsAnswer> {
  const { target, method, url, body, timeoutMs, answerBytesMax } = call;
  const { promise, resolve, reject } = Promise.withResolvers<HttpsAnswer>();
  const request = startRequest(call, agent);
  const fail = (code: HttpsCallError['code'], why: string, cause?: unknown) => {
    reject(new HttpsCallError(code, describe(method, url, why), cause));
    request.destroy();
  };
  const timer = clock.after(timeoutMs, () => fail('Timeout', 'context deadline exceeded'));
  const onError = (error: NodeJS.ErrnoException) => {
    if (request.reusedSocket && error.code === 'ECONNRESET')
      reject(new StaleConnection('Unreachable', describe(method, url, 'EOF'), error));
    else fail('Unreachable', failureWords(error, target), error);
  };
  request.on('error', onError);
  request.on('response', (response) => {
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > answerBytesMax) fail('TooLarge', `the response is longer than ${answerBytesMax} bytes`);
      else chunks.push(chunk);
    });
    response.on('error', onError);
    response.on('end', () =>
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
    );
  });
  request.end(body);
  return promise.finally(() => timer.cancel());
}

/** Throws HttpsCallError at once for an authority that cannot be read. */
function startRequest({ target, method, url, headers, body }: HttpsCall, agent: Agent): ClientRequest {
  const { host, pathname, search } = new URL(url);
  try {
    return httpsRequest({
      ...tlsOptions(target),
      agent,
      method,
      path: pathname + search,
      headers: {
        Host: host,
        'Accept-Encoding': 'identity',
        ...headers,
        ...(body ? { 'Content-Length': body.length } : {}),
      },
    });
  } catch (error) {
    const why = 'unable to load root certificates: unable to parse bytes as PEM block';
    throw new HttpsCallError('Unreachable', describe(method, url, why), error);
  }
}

function describe(method: HttpsCall['method'], url: string, why: string): string {
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  return `${verb} ${JSON.stringify(url)}: ${why}`;
}
