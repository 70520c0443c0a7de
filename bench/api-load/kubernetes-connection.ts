import { readFile } from 'node:fs/promises';
import { Agent, request as httpsRequest } from 'node:https';
import { dirname, resolve } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { parse } from 'yaml';

/** Requests to any Kubernetes API server that a kubeconfig leads to, over connections that are kept. */
export interface Connection {
  /** Resolves with the answer; rejects on any status of 400 and above, unless `allow` names it. */
  send(method: string, path: string, options?: SendOptions): Promise<Answer>;
  /**
   * Opens a watch on a connection of its own; resolves once the server has accepted it. `onData` gets the bytes as they come, with
   * HTTP's framing: taking it off for each of hundreds would cost this process about as much as the server's work.
   */
  watch(path: string, onData: (bytes: Buffer) => void): Promise<void>;
  close(): void;
}

export interface SendOptions {
  body?: string;
  contentType?: string;
  allow?: readonly number[];
}

export interface Answer {
  code: number;
  body: Buffer;
}

/** Where a server is and who we are there. */
export interface Target {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
  url: URL;
  headers?: Record<string, string>;
}

interface Kubeconfig {
  'current-context'?: string;
  clusters: { name: string; cluster: Record<string, string | undefined> & { server: string } }[];
  users: { name: string; user: Record<string, string | undefined> }[];
  contexts?: { name: string; context: { cluster: string; user: string } }[];
}

/** The server and credentials of the current context: client certificate or token, in the file or beside it. */
export async function readTarget(path: string): Promise<Target> {
  const config = parse(await readFile(path, 'utf8')) as Kubeconfig;
  const current = config.contexts?.find(({ name }) => name === config['current-context'])?.context;
  const named = <T extends { name: string }>(list: T[], name: string | undefined) =>
    list.find((item) => item.name === name) ?? list[0];
  const cluster = named(config.clusters, current?.cluster)?.cluster;
  const user = named(config.users, current?.user)?.user;
  if (!cluster || !user) throw new Error(`${path} holds no cluster or no user`);
  const secret = async (part: Record<string, string | undefined>, field: string) => {
    const inline = part[`${field}-data`];
    if (inline !== undefined) return Buffer.from(inline, 'base64');
    const file = part[field];
    return file === undefined ? undefined : readFile(resolve(dirname(path), file));
  };
  const [ca, cert, key] = await Promise.all([
    secret(cluster, 'certificate-authority'),
    secret(user, 'client-certificate'),
    secret(user, 'client-key'),
  ]);
  return {
    url: new URL(cluster.server),
    ...(ca ? { ca } : {}),
    ...(cert && key ? { cert, key } : {}),
    ...(user.token === undefined ? {} : { headers: { authorization: `Bearer ${user.token}` } }),
  };
}

/** At most `connections` at a time for requests; further ones wait. */
export function connect({ url, headers, ...tls }: Target, connections: number): Connection {
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: connections, scheduling: 'fifo' });
  const watches = new Set<TLSSocket>();
  const base = { hostname: url.hostname, port: url.port, agent, ...tls };
  const open = (method: string, path: string, more: Record<string, string | number> = {}) =>
    httpsRequest({ ...base, method, path, headers: { ...headers, ...more } });
  return {
    send: (method, path, { body, contentType = 'application/json', allow = [] } = {}) =>
      new Promise((resolve, reject) => {
        const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
        const request = open(method, path, { 'content-type': contentType, ...length });
        request.on('error', reject);
        request.on('response', (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const answer = { code: response.statusCode ?? 0, body: Buffer.concat(chunks) };
            if (answer.code < 400 || allow.includes(answer.code)) return resolve(answer);
            reject(
              new Error(`${method} ${path}: HTTP ${answer.code} ${answer.body.toString().slice(0, 300)}`),
            );
          });
        });
        request.end(body);
      }),
    watch: (path, onData) =>
      new Promise((resolve, reject) => {
        const socket = connectTls({ host: url.hostname, port: Number(url.port), ...tls });
        watches.add(socket);
        socket.once('error', reject);
        socket.once('data', (answer: Buffer) => {
          const [status = ''] = answer.toString().split('\r\n', 1);
          if (!status.startsWith('HTTP/1.1 200')) return reject(new Error(`watch: ${status}`));
          onData(answer);
          socket.on('data', onData);
          socket.on('error', () => {});
          resolve();
        });
        const lines = Object.entries({ host: url.host, ...headers }).map(
          ([name, value]) => `${name}: ${value}`,
        );
        socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      }),
    close: () => {
      agent.destroy();
      for (const socket of watches) socket.destroy();
    },
  };
}
