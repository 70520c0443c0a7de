import type { AttachRequest, ExecRequest } from '../../protocol/topics/streams.ts';
import type { ContainerHandle, ExecProcess, RuntimeDriver } from '../drivers/driver.ts';
import type { StreamIo } from './device-stream.ts';

/** The container a stream is about; an Error (with words for a person) when there is none. */
export type FindContainer = (target: { podUid: string; container: string; previous: boolean }) => {
  driver: RuntimeDriver;
  handle: ContainerHandle;
  /** Its input ends with the first session that attaches to it. */
  stdinOnce?: boolean;
};

export async function runCommand(request: ExecRequest, find: FindContainer, io: StreamIo): Promise<number> {
  const { driver, handle } = find({ ...request, previous: false });
  if (!driver.exec) throw new Error(`runtime ${driver.name} cannot run commands in a container`);
  return carryProcess(await driver.exec(handle, request), io);
}

export async function attach(request: AttachRequest, find: FindContainer, io: StreamIo): Promise<number> {
  const { driver, handle, stdinOnce = false } = find({ ...request, previous: false });
  if (!driver.attach) throw new Error(`runtime ${driver.name} cannot attach to a container`);
  return carryProcess(await driver.attach(handle, { ...request, stdinOnce }), io);
}

async function carryProcess(process: ExecProcess, io: StreamIo): Promise<number> {
  const kill = () => process.kill();
  io.signal.addEventListener('abort', kill, { once: true });
  if (io.signal.aborted) kill();
  io.ready();
  io.onResize(({ columns, rows }) => void process.resize(columns, rows).catch(() => {}));
  void takeInput(process, io).catch(kill);
  try {
    for await (const { channel, data } of process.output()) await io.send(channel, data);
    return await process.exit;
  } finally {
    io.signal.removeEventListener('abort', kill);
  }
}

async function takeInput(process: ExecProcess, io: StreamIo): Promise<void> {
  for await (const data of io.input()) await process.write(data);
  process.endStdin();
}
