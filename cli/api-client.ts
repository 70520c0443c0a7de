import { readFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { parse as parseYaml } from 'yaml';
import { CommandError } from './command.ts';

/** A few requests to a Kubernetes API, as the commands need them; for all else there is kubectl. */
export interface ApiClient {
  readonly server: string;
  /** PEM. */
  readonly caCertificate: string;
  /** Resolves with any answer below 500; rejects with a CommandError when the server cannot be reached. */
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<ApiAnswer>;
}

export interface ApiAnswer {
  code: number;
  /** Parsed JSON, or the text when it is none. */
  body: unknown;
}

interface Kubeconfig {
  clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
  users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[];
}

const requestTimeoutMs = 10_000;

/** Reads the first cluster and user of a kubeconfig that `flotilla server` wrote. */
export async function openApiClient(kubeconfigPath: string): Promise<ApiClient> {
  const text = await readFile(kubeconfigPath, 'utf8').catch((error: unknown) => {
    throw new CommandError(
      `cannot read the kubeconfig ${kubeconfigPath}: is the server running, and is this its data folder?`,
      { cause: error },
    );
  });
  const config = parseYaml(text) as Kubeconfig;
  const cluster = config.clusters[0]?.cluster;
  const user = config.users[0]?.user;
  if (!cluster || !user) throw new CommandError(`${kubeconfigPath} holds no cluster or no user`);
  const tls = {
    ca: decode(cluster['certificate-authority-data']),
    cert: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
  };
  return {
    server: cluster.server,
    caCertificate: tls.ca,
    request: (method, path, body, contentType = 'application/json') =>
      send(new URL(path, cluster.server), { ...tls, method, timeout: requestTimeoutMs }, body, contentType),
  };
}

/** The answer's object, or a CommandError with the server's own words. */
export function expectSuccess(answer: ApiAnswer, doing: string): Record<string, unknown> {
  const body = answer.body;
  const object = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  if (answer.code < 400) return object;
  const words = typeof object.message === 'string' ? object.message : `HTTP ${answer.code}`;
  throw new CommandError(`${doing}: ${words}`);
}

function send(url: URL, options: object, body: unknown, contentType: string): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const unreachable = (error: Error) =>
      reject(
        new CommandError(`the API at ${url.origin} does not answer: ${error.message}`, { cause: error }),
      );
    const request = httpsRequest(
      url,
      { ...options, headers: { 'content-type': contentType } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', unreachable);
        response.on('end', () => {
          resolve({
            code: response.statusCode ?? 0,
            body: parseBody(Buffer.concat(chunks).toString('utf8')),
          });
        });
      },
    );
    request.on('timeout', () => request.destroy(new Error(`no answer within ${requestTimeoutMs / 1000} s`)));
    request.on('error', unreachable);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
