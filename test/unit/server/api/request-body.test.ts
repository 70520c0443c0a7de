import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { limits } from '../../../../protocol/limits.ts';
import { apiLimits } from '../../../../server/api/api-limits.ts';
import { readBody } from '../../../../server/api/request/request-body.ts';

function sending(headers: Record<string, string> = {}) {
  const stream = new PassThrough();
  const request = Object.assign(stream, { headers }) as unknown as IncomingMessage;
  return { stream, body: readBody({ request }) };
}

const tooLarge = { code: 413, reason: 'RequestEntityTooLarge' };
const endedEarly = { code: 400, message: 'the body of the request ended early' };

test('a body is put together from however many pieces it comes in', async () => {
  for (const pieces of [[], ['{}'], ['{"a', '":', '"b"}']]) {
    const { stream, body } = sending();
    for (const piece of pieces) stream.write(piece);
    stream.end();
    assert.equal((await body).bytes.toString(), pieces.join(''));
  }
});

test('a body that breaks off is refused, whether it does so before, while or after it is read', async () => {
  const gone = new PassThrough().destroy();
  const request = Object.assign(gone, { headers: {} }) as unknown as IncomingMessage;
  await assert.rejects(readBody({ request }), endedEarly);
  for (const cause of [undefined, new Error('aborted')]) {
    const { stream, body } = sending();
    stream.write('{"a":');
    setImmediate(() => stream.destroy(cause));
    await assert.rejects(body, endedEarly);
  }
});

test('a body over the limit is read to its end, within reason', async () => {
  const piece = Buffer.alloc(limits.requestBytesMax);
  const { stream, body } = sending();
  stream.write(piece);
  stream.end('x');
  await assert.rejects(body, tooLarge);
  assert.ok(stream.readableEnded);

  const endless = sending();
  for (let size = 0; size <= apiLimits.discardBytesMax; size += piece.length) endless.stream.write(piece);
  await assert.rejects(endless.body, tooLarge);
  assert.ok(endless.stream.destroyed);

  const announced = sending({ 'content-length': String(apiLimits.discardBytesMax + 1) });
  announced.stream.write('x');
  await assert.rejects(announced.body, tooLarge);
  assert.ok(announced.stream.destroyed);
});
