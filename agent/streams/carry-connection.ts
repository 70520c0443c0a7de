import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { PortRequest } from '../../protocol/topics/streams.ts';
import type { StreamIo } from './device-stream.ts';
import type { PodDialer } from './pod-dialer.ts';

/** A process of each running container, whose network is its pod's. */
export type RunningProcesses = () => readonly { podUid: string; pid: number }[];

/** Carries one connection to a port of a pod, each direction until its own end. */
export async function carryConnection(
  request: PortRequest,
  { dialer, running }: { dialer: PodDialer; running: RunningProcesses },
  io: StreamIo,
): Promise<void> {
  const { podUid, port, to } = request;
  const process = running().find((candidate) => candidate.podUid === podUid);
  if (!process) throw new Error('no container of the pod is running');
  const socket = await dialer.dial(process.pid, port, to);
  socket.setNoDelay(true);
  socket.on('error', () => {});
  const cut = () => socket.destroy();
  io.signal.addEventListener('abort', cut, { once: true });
  try {
    if (io.signal.aborted) return;
    io.ready();
    await Promise.all([up(socket, io), down(socket, io)]);
  } finally {
    io.signal.removeEventListener('abort', cut);
    socket.destroy();
  }
}

async function up(socket: Socket, io: StreamIo): Promise<void> {
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)
    await io.send('stdout', chunk);
  await io.endOutput();
}

async function down(socket: Socket, io: StreamIo): Promise<void> {
  for await (const data of io.input()) {
    if (socket.destroyed || socket.writableEnded) return;
    if (socket.write(data)) continue;
    await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
  }
  socket.end();
}
