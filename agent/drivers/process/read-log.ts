import type { LogOptions } from '../driver.ts';
import { inNanoseconds } from '../log-time.ts';
import type { ContainerLog } from './container-log.ts';

const chunkBytes = 64 * 1024;
const newline = 0x0a;

export interface ReadLogOptions extends LogOptions {
  /** No more will come once this is false and everything is read. */
  isRunning: () => boolean;
  signal: AbortSignal;
}

/** The part of a log that was asked for, as it is; then, when following, what comes until the container ends. */
export async function* readLog(log: ContainerLog, options: ReadLogOptions): AsyncGenerator<Uint8Array> {
  const { signal } = options;
  let position = await firstOffset(log, options);
  using follower = options.follow ? log.follow(position) : undefined;
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  const stamp = options.timestamps ? lineStamper(log) : undefined;
  while (left > 0 && !signal.aborted) {
    const running = options.isRunning();
    const { offset, data } = await log.read(position, chunkBytes);
    if (data.length > 0) {
      const text = stamp ? stamp(offset, data) : data;
      position = offset + data.length;
      if (follower) follower.position = position;
      yield text.subarray(0, Math.min(left, text.length));
      left -= text.length;
    } else if (options.follow && running) await log.changed(position, signal);
    else return;
  }
}

async function firstOffset(log: ContainerLog, options: ReadLogOptions): Promise<number> {
  const { sinceMs, tailLines } = options;
  const since = sinceMs === undefined ? log.start : log.offsetAtTime(sinceMs);
  const start = await lineStart(log, Math.max(since, log.start));
  return tailLines === undefined ? start : Math.max(start, await tailOffset(log, tailLines));
}

/** The beginning of the first whole line at or after `offset`: a cut log begins in the middle of one. */
async function lineStart(log: ContainerLog, offset: number): Promise<number> {
  if (offset === 0 || offset >= log.end) return offset;
  let position = offset - 1;
  if (position < log.start) position = offset;
  for (;;) {
    const chunk = await log.read(position, chunkBytes);
    const found = chunk.data.indexOf(newline);
    if (found >= 0) return chunk.offset + found + 1;
    if (chunk.data.length === 0) return offset;
    position = chunk.offset + chunk.data.length;
  }
}

/** Where the last `lines` lines begin; an unfinished last line counts as one. */
async function tailOffset(log: ContainerLog, lines: number): Promise<number> {
  const end = log.end;
  if (lines <= 0) return end;
  let wanted = lines;
  let to = end;
  while (to > log.start) {
    const from = Math.max(log.start, to - chunkBytes);
    const { offset, data } = await readRange(log, from, to);
    if (data.length === 0) return from;
    for (let index = data.length - 1; index >= 0; index--) {
      if (data[index] !== newline || offset + index === end - 1) continue;
      if (--wanted === 0) return offset + index + 1;
    }
    to = from;
  }
  return log.start;
}

/** A single read ends where the older file does. */
async function readRange(
  log: ContainerLog,
  from: number,
  to: number,
): Promise<{ offset: number; data: Buffer }> {
  const first = await log.read(from, to - from);
  const end = first.offset + first.data.length;
  if (end >= to || first.data.length === 0) return first;
  const second = await log.read(end, to - end);
  return { offset: first.offset, data: Buffer.concat([first.data, second.data]) };
}

/** Puts the time a line was first seen before it, as Kubernetes does. */
function lineStamper(log: ContainerLog): (offset: number, data: Buffer) => Buffer {
  let atLineStart = true;
  return (offset, data) => {
    const parts: Buffer[] = [];
    for (let from = 0; from < data.length; ) {
      const found = data.indexOf(newline, from);
      const to = found < 0 ? data.length : found + 1;
      if (atLineStart)
        parts.push(Buffer.from(`${inNanoseconds(new Date(log.timeAt(offset + from)).toISOString())} `));
      parts.push(data.subarray(from, to));
      atLineStart = found >= 0;
      from = to;
    }
    return Buffer.concat(parts);
  };
}
