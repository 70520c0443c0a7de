import { type Clock, sleep } from '../../../lib/clock.ts';
import type { LogOptions } from '../driver.ts';
import { inNanoseconds } from '../log-time.ts';
import { LogFiles } from './log-files.ts';

/** Between two reads of a log that grows, and between two looks whether its container still runs. */
const pauseMs = 50;
const lookMs = 500;
const chunkBytes = 64 * 1024;
/** The engine writes shorter ones; what is longer is no log. */
const lineBytesMax = 1024 * 1024;
const newline = 0x0a;
const space = 0x20;

export interface EngineLogOptions extends LogOptions {
  /** Of lines `<time> <stdout|stderr> <F|P> <text>`, as CRI has them; podman calls them k8s-file. */
  path: string;
  /** No more will be written once this is false. */
  isRunning(): Promise<boolean>;
  clock: Clock;
  signal: AbortSignal;
}

/**
 * What was asked for of a container's log, read from the engine's file: `podman logs` loses what is written while the
 * file is replaced, and costs 40 MB for as long as somebody follows.
 */
export async function* readEngineLog(options: EngineLogOptions): AsyncGenerator<Uint8Array> {
  const { path, follow, signal } = options;
  await using files = await LogFiles.open(path, { follow });
  const select = lineSelector(options);
  files.seek(await tailOffset(files, options.tailLines));
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  for (;;) {
    const over = !follow || !(await options.isRunning());
    let grew = false;
    for (let next = await files.read(chunkBytes); next.data.length > 0; next = await files.read(chunkBytes)) {
      grew = true;
      const text = select(next);
      if (text.length > 0) yield text.subarray(0, Math.min(left, text.length));
      left -= text.length;
      if (left <= 0 || signal.aborted) return;
    }
    if (over || signal.aborted) return;
    if (grew) await sleep(options.clock, pauseMs, signal).catch(() => {});
    await changedOrLater(files, options);
  }
}

async function changedOrLater(files: LogFiles, { clock, signal }: EngineLogOptions): Promise<void> {
  if (signal.aborted) return;
  const wake = () => files.wake();
  const timer = clock.after(lookMs, wake);
  signal.addEventListener('abort', wake, { once: true });
  await files.changed();
  timer.cancel();
  signal.removeEventListener('abort', wake);
}

/** Where the last `lines` lines begin; the parts of a long line count as lines, as in kubelet. */
async function tailOffset(files: LogFiles, lines: number | undefined): Promise<number> {
  const file = files.current;
  if (lines === undefined || !file) return 0;
  const { size } = await file.stat();
  if (lines <= 0) return size;
  let wanted = lines;
  for (let to = size; to > 0; ) {
    const from = Math.max(0, to - chunkBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(to - from), 0, to - from, from);
    for (let index = bytesRead - 1; index >= 0; index--) {
      if (buffer[index] !== newline || from + index === size - 1) continue;
      if (--wanted === 0) return from + index + 1;
    }
    to = from;
  }
  return 0;
}

/** Keeps the rest of a line for the next chunk. */
function lineSelector(options: EngineLogOptions): (chunk: { data: Buffer; fresh: boolean }) => Buffer {
  const write = lineWriter(options);
  let rest: Buffer = Buffer.alloc(0);
  return ({ data, fresh }) => {
    const bytes = fresh || rest.length === 0 ? data : Buffer.concat([rest, data]);
    const parts: Buffer[] = [];
    let from = 0;
    for (let to = bytes.indexOf(newline); to >= 0; to = bytes.indexOf(newline, from)) {
      write(bytes.subarray(from, to + 1), parts);
      from = to + 1;
    }
    rest = bytes.length - from > lineBytesMax ? Buffer.alloc(0) : bytes.subarray(from);
    return Buffer.concat(parts);
  };
}

function lineWriter({ sinceMs, stream, timestamps }: EngineLogOptions) {
  let atLineStart = true;
  return (line: Buffer, parts: Buffer[]) => {
    const timeEnd = line.indexOf(space);
    const streamEnd = line.indexOf(space, timeEnd + 1);
    const tagEnd = line.indexOf(space, streamEnd + 1);
    if (timeEnd <= 0 || streamEnd < 0 || tagEnd < 0) return;
    if (stream !== undefined && line.toString('latin1', timeEnd + 1, streamEnd) !== stream) return;
    const time = line.toString('latin1', 0, timeEnd);
    if (sinceMs !== undefined && Date.parse(time) < sinceMs) return;
    const isPart = line.toString('latin1', streamEnd + 1, tagEnd) === 'P';
    if (timestamps && atLineStart) parts.push(Buffer.from(`${inNanoseconds(time)} `));
    parts.push(line.subarray(tagEnd + 1, isPart ? line.length - 1 : line.length));
    atLineStart = !isPart;
  };
}
