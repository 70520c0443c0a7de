import { readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { Clock, Timer } from '../../lib/clock.ts';
import { type Messenger, messenger } from '../../lib/exec.ts';

/** `loopback`: as a program inside the pod would connect to itself; `address`: as another pod would. */
export type DialTo = 'loopback' | 'address';

export interface PodDialer extends Disposable {
  /** A connection to a port of a running pod, by a process in it. Rejects with words for a person. */
  dial(pid: number, port: number, to: DialTo): Promise<Socket>;
}

/** How long a dialler stays in a pod's network without being asked: a browser opens its connections in bursts. */
const idleMs = 5_000;
const connectTimeoutMs = 10_000;
/** Slow boards take seconds to start a second Node. */
const answerTimeoutMs = 60_000;

/**
 * Connects to what listens inside pods. A process can only connect from within its own network namespace and Node cannot
 * change its own, so a short-lived second Node connects there and hands the connection over (docs/decisions/0181).
 */
export function createPodDialer({ clock }: { clock: Clock }): PodDialer {
  const diallers = new Map<string, Promise<NamespaceDialler>>();
  return {
    async dial(pid, port, to) {
      const own = namespaceOf('self', 'net');
      const network = namespaceOf(pid, 'net');
      if (network === undefined) throw new Error('the processes of the pod cannot be seen from here');
      if (network === own) return connectFirst(loopback, port);
      const starting = diallers.get(network) ?? start(network, pid);
      return (await starting).dial(port, to);
    },
    [Symbol.dispose]() {
      for (const dialler of diallers.values()) void dialler.then((started) => started[Symbol.dispose]());
    },
  };

  function start(network: string, pid: number): Promise<NamespaceDialler> {
    const forget = () => void diallers.delete(network);
    const starting = NamespaceDialler.start(pid, clock, forget);
    diallers.set(network, starting);
    starting.catch(forget);
    return starting;
  }
}

const loopback = ['127.0.0.1', '::1'];

function namespaceOf(pid: number | 'self', kind: 'net' | 'user'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return undefined;
  }
}

/** The first address that takes the connection; else the failure of the first. */
async function connectFirst(addresses: readonly string[], port: number): Promise<Socket> {
  const failures: Error[] = [];
  for (const host of addresses) {
    try {
      return await connectOne(host, port);
    } catch (error) {
      failures.push(error as Error);
    }
  }
  throw failures[0] ?? new Error('no address to connect to');
}

function connectOne(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true });
    socket.setTimeout(connectTimeoutMs, () =>
      socket.destroy(new Error(`dial tcp ${host}:${port}: i/o timeout`)),
    );
    socket.once('error', (error: NodeJS.ErrnoException) => reject(new Error(dialWords(error, host, port))));
    socket.once('connect', () => {
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

/** As Go words it, which people search for. */
function dialWords(
  { code, message }: { code?: string; message: string },
  host: string,
  port: number,
): string {
  const words: Record<string, string> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
  };
  const known = code === undefined ? undefined : words[code];
  return known ? `dial tcp ${host}:${port}: ${known}` : message;
}

interface Waiting {
  resolve(socket: Socket): void;
  reject(error: Error): void;
}

/** One second Node inside one network namespace. */
class NamespaceDialler implements Disposable {
  readonly #messenger: Messenger;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onEnd: () => void;
  #count = 0;
  #idle: Timer | undefined;

  static async start(pid: number, clock: Clock, onEnd: () => void): Promise<NamespaceDialler> {
    const own = namespaceOf('self', 'user');
    // A rootless engine's networks belong to its own users, whom one has to join first.
    const user = namespaceOf(pid, 'user') === own ? [] : ['--user', '--preserve-credentials'];
    const node = [process.execPath, '--input-type=module', '--eval', diallerProgram];
    const args = ['--target', String(pid), ...user, '--net', '--', ...node];
    return new NamespaceDialler(await messenger('nsenter', args), clock, onEnd);
  }

  private constructor(started: Messenger, clock: Clock, onEnd: () => void) {
    this.#messenger = started;
    this.#clock = clock;
    this.#onEnd = onEnd;
    started.onMessage((message, socket) => this.#take(message, socket));
    void started.exit.then(({ exitCode }) => {
      this.#end();
      const error = new Error(`the network of the pod cannot be entered (nsenter ended with ${exitCode})`);
      for (const waiting of this.#waiting.values()) waiting.reject(error);
      this.#waiting.clear();
    });
  }

  dial(port: number, to: DialTo): Promise<Socket> {
    this.#idle?.cancel();
    this.#count += 1;
    const id = this.#count;
    return new Promise<Socket>((resolve, reject) => {
      const timer = this.#clock.after(answerTimeoutMs, () =>
        this.#settle(id)?.reject(new Error('no answer')),
      );
      const settled = <T>(settle: (value: T) => void) => {
        return (value: T) => {
          timer.cancel();
          settle(value);
        };
      };
      this.#waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.#messenger.send({ id, port, to, timeoutMs: connectTimeoutMs });
    });
  }

  [Symbol.dispose](): void {
    this.#end();
    this.#messenger.kill();
  }

  #take(message: unknown, socket: Socket | undefined): void {
    const { id, host, port, code, text } = message as Record<string, unknown>;
    const waiting = typeof id === 'number' ? this.#settle(id) : undefined;
    if (!waiting) return void socket?.destroy();
    if (socket) return waiting.resolve(socket);
    const failure = { code: String(code), message: String(text) };
    waiting.reject(new Error(dialWords(failure, String(host), Number(port))));
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0)
      this.#idle = this.#clock.after(idleMs, () => this[Symbol.dispose](), { unref: true });
    return waiting;
  }

  #end(): void {
    this.#idle?.cancel();
    this.#onEnd();
  }
}

/**
 * Connects, and hands each connection over before it reads of it. Ends with the agent. What it is told to connect to is a
 * port; the addresses are loopback's, or those that the pod has.
 */
const diallerProgram = `
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
const addressesOf = (to) => to === 'loopback' ? ['127.0.0.1', '::1'] : Object.values(networkInterfaces()).flat()
  .filter(({ internal, scopeid }) => !internal && !scopeid).map(({ address }) => address);
const attempt = (host, port, timeoutMs) => new Promise((resolve) => {
  const socket = connect({ host, port, allowHalfOpen: true });
  socket.pause();
  socket.setTimeout(timeoutMs, () => socket.destroy(Object.assign(new Error('dial tcp ' + host + ':' + port + ': i/o timeout'))));
  socket.once('error', (error) => resolve({ failure: { host, port, code: error.code, text: error.message } }));
  socket.once('connect', () => { socket.setTimeout(0); resolve({ socket }); });
});
process.on('disconnect', () => process.exit());
process.on('message', async ({ id, port, to, timeoutMs }) => {
  let first = { host: '', port, code: 'ENETUNREACH', text: 'the pod has no address' };
  let failed = false;
  for (const host of addressesOf(to)) {
    const { socket, failure } = await attempt(host, port, timeoutMs);
    if (socket) return process.send({ id }, socket);
    if (!failed) first = failure;
    failed = true;
  }
  process.send({ id, ...first });
});
`;
