import type { RawData, WebSocket } from 'ws';
import { isStatus, StatusError } from '../../../protocol/status.ts';
import type { ExecSession } from '../../nodes/pod-streams.ts';
import { apiLimits } from '../api-limits.ts';
import type { ResourceExchange } from '../exchange.ts';

/** The first byte of every message (source: k8s.io/apimachinery/pkg/util/remotecommand). */
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/**
 * Carries an exec session over a WebSocket until the process ends, the client leaves or the server stops. Neither
 * side is read faster than the other takes it: stdin pauses the socket, output waits for the socket.
 */
export async function bridgeExec(
  exchange: ResourceExchange,
  socket: WebSocket,
  session: ExecSession,
  wanted: { stdout: boolean; stderr: boolean },
): Promise<void> {
  const { abort, services } = exchange;
  services.longRunning.add(abort);
  socket.on('close', () => abort.abort());
  socket.on('error', () => abort.abort());
  abort.signal.addEventListener('abort', () => closeSoon(socket, 1001), { once: true });
  if (services.stopping.aborted) abort.abort();
  using _ping = keepAlive(exchange, socket);
  takeInput(socket, session, abort);
  try {
    await send(socket, wanted.stdout ? channels.stdout : channels.error, new Uint8Array());
    for await (const { channel, data } of session.output())
      if (wanted[channel]) await send(socket, channels[channel], data);
    await send(socket, channels.error, Buffer.from(JSON.stringify(exitStatus(await session.exit))));
    closeSoon(socket, 1000);
  } catch (error) {
    if (!abort.signal.aborted) {
      services.log.warn('exec session broke', { error });
      await send(socket, channels.error, Buffer.from(JSON.stringify(brokenStatus(error)))).catch(() => {});
      closeSoon(socket, 1011);
    }
  } finally {
    services.longRunning.delete(abort);
  }
}

/** The last message, in the form that kubectl turns into its own exit code. */
function exitStatus(exitCode: number) {
  if (exitCode === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

function brokenStatus(error: unknown) {
  if (error instanceof StatusError) return error.toStatus();
  return new StatusError('InternalError', 'the session with the device broke').toStatus();
}

function takeInput(socket: WebSocket, session: ExecSession, abort: AbortController): void {
  let inOrder = Promise.resolve();
  let waiting = 0;
  socket.on('message', (message: RawData) => {
    const bytes = bytesOf(message);
    waiting += 1;
    socket.pause();
    inOrder = inOrder
      .then(() => takeMessage(bytes, session))
      .catch((error: unknown) => {
        if (!isStatus(error, 'BadRequest')) abort.abort();
      })
      .finally(() => {
        waiting -= 1;
        if (waiting === 0) socket.resume();
      });
  });
}

async function takeMessage(bytes: Buffer, session: ExecSession): Promise<void> {
  const data = bytes.subarray(1);
  const channel = bytes[0] ?? -1;
  switch (channel) {
    case channels.stdin:
      if (data.length > 0) await session.write(data);
      return;
    case channels.resize: {
      const size = terminalSize(data);
      if (size) session.resize(size.columns, size.rows);
      return;
    }
    case channels.close:
      if (data[0] === channels.stdin) session.endStdin();
      return;
    default:
  }
}

function terminalSize(data: Buffer): { columns: number; rows: number } | undefined {
  try {
    const { Width, Height } = JSON.parse(data.toString()) as { Width?: unknown; Height?: unknown };
    const fits = (size: unknown): size is number =>
      typeof size === 'number' && Number.isInteger(size) && size > 0 && size <= 0xffff;
    return fits(Width) && fits(Height) ? { columns: Width, rows: Height } : undefined;
  } catch {
    return undefined;
  }
}

/** Resolves when the kernel has taken the message, so that a slow client slows the process. */
function send(socket: WebSocket, channel: number, data: Uint8Array): Promise<void> {
  const message = new Uint8Array(data.length + 1);
  message[0] = channel;
  message.set(data, 1);
  return new Promise((resolve, reject) => {
    socket.send(message, { binary: true }, (error) => (error ? reject(error) : resolve()));
  });
}

/** A client that has vanished without closing is noticed when it answers two pings no more. */
function keepAlive({ services }: ResourceExchange, socket: WebSocket): Disposable {
  let unanswered = 0;
  let timer = services.clock.after(apiLimits.execPingMs, beat);
  socket.on('pong', () => {
    unanswered = 0;
  });
  return { [Symbol.dispose]: () => timer.cancel() };

  function beat(): void {
    unanswered += 1;
    if (unanswered > 2) return socket.terminate();
    if (socket.readyState === socket.OPEN) socket.ping();
    timer = services.clock.after(apiLimits.execPingMs, beat);
  }
}

/** Reads on so that the client's closing frame is seen; `ws` itself ends the socket when none comes. */
function closeSoon(socket: WebSocket, code: number): void {
  socket.resume();
  socket.close(code);
}

function bytesOf(message: RawData): Buffer {
  if (Array.isArray(message)) return Buffer.concat(message);
  return message instanceof ArrayBuffer ? Buffer.from(message) : message;
}
