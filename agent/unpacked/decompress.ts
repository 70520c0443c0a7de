import { pipeline, Readable } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { LayerError } from '../layers/layer-error.ts';

/** A window of 32 MB: more a small device should not give to one archive. */
const zstdWindowLogMax = 25;

/** What its first bytes say it is, and not what somebody says of it. Rejects with LayerError `WrongContent` when it is damaged. */
export async function* decompress(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < 4) {
    const next = await iterator.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const all = rejoin(head, iterator);
  const decoder = decoderOf(head);
  if (!decoder) return yield* all;
  // What goes wrong on either side is thrown by the iteration.
  pipeline(Readable.from(all, { objectMode: false }), decoder, () => undefined);
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array;
  } catch (cause) {
    if (!isDecoding(cause)) throw cause;
    throw new LayerError('WrongContent', `the archive is damaged: ${cause.message}`, { cause });
  }
}

async function* rejoin(head: Buffer, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    for (;;) {
      const next = await rest.next();
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await rest.return?.();
  }
}

function decoderOf(head: Buffer) {
  if (head[0] === 0x1f && head[1] === 0x8b) return createGunzip();
  if (head.subarray(0, 4).equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd])))
    return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLogMax } });
  return undefined;
}

function isDecoding(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && /^(?:Z_|ZSTD_|ERR_ZSTD)/.test(String(error.code));
}
