import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import type { BlobSource } from '../../../../agent/layers/fetch-blob.ts';
import type { Blob } from '../../../../agent/layers/image-manifest.ts';
import { LayerError } from '../../../../agent/layers/layer-error.ts';
import { type LayerStore, openLayerStore } from '../../../../agent/layers/layer-store.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import { sha256 } from '../../../support/small-registry.ts';
import { hurriedClock } from './hurried-clock.ts';

const signal = new AbortController().signal;

/** Has the content, and serves it with the faults that are asked for. */
class FakeSource implements BlobSource {
  readonly name: string;
  readonly isPeer: boolean;
  readonly offsets: number[] = [];
  served = 0;
  content: Buffer | undefined;
  /** Each answer is cut after so many bytes; those beyond the list are whole. */
  cuts: number[] = [];
  knowsRanges = true;

  constructor(name: string, content?: Buffer, options: Partial<FakeSource> = {}) {
    this.name = name;
    this.content = content;
    this.isPeer = options.isPeer ?? false;
    Object.assign(this, options);
  }

  async open(_blob: Blob, { offset }: { offset: number }) {
    const { content, offsets } = this;
    if (!content) throw new LayerError('NotFound', `${this.name} has it not`);
    offsets.push(offset);
    const from = this.knowsRanges ? offset : 0;
    const cut = this.cuts.shift() ?? Number.POSITIVE_INFINITY;
    const serve = (bytes: number) => void (this.served += bytes);
    async function* body() {
      for (let at = from; at < content!.length; at += 1000) {
        if (at - from >= cut) throw new Error('reset');
        const chunk = content!.subarray(at, at + 1000);
        serve(chunk.length);
        yield chunk;
      }
    }
    return { from, body: body() };
  }
}

suite('the layer store', () => {
  let folder: string;
  const stores: LayerStore[] = [];
  const content = randomBytes(20_000);
  const blob = describe(content);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flotilla-layers-'));
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) store[Symbol.dispose]();
    await rm(folder, { recursive: true });
  });

  async function open(bytesMax = 1_000_000): Promise<LayerStore> {
    const random = seededRandom(1);
    const store = await openLayerStore({
      folder,
      bytesMax,
      clock: hurriedClock(),
      random,
      log: silentLogger,
    });
    stores.push(store);
    return store;
  }

  test('a transfer that is cut goes on where it stopped', async () => {
    const store = await open();
    const source = new FakeSource('far', content, { cuts: [7_000, 0, 5_000] });
    const arrived: number[] = [];
    using layer = await store.fetch(blob, [source], {
      signal,
      onArrival: ({ bytes }) => void arrived.push(bytes),
    });
    assert.deepEqual(await readFile(layer.path), content);
    assert.deepEqual(source.offsets, [0, 7_000, 7_000, 12_000]);
    assert.equal(source.served, content.length);
    assert.equal(
      arrived.reduce((sum, bytes) => sum + bytes),
      content.length,
    );
  });

  test('what has come survives a restart of the agent', async () => {
    const first = new FakeSource('far', content, { cuts: [9_000, 0, 0, 0, 0, 0] });
    await assert.rejects((await open()).fetch(blob, [first], { signal }), { code: 'Unreachable' });
    const second = new FakeSource('far', content);
    using layer = await (await open()).fetch(blob, [second], { signal });
    assert.deepEqual(await readFile(layer.path), content);
    assert.deepEqual(second.offsets, [9_000]);
  });

  test('a device that gives something else costs nothing but the way: the next source is asked for all of it', async () => {
    const store = await open();
    const liar = new FakeSource('liar', randomBytes(content.length), { isPeer: true });
    const long = new FakeSource('long', Buffer.concat([content, content]), { isPeer: true });
    const far = new FakeSource('far', content);
    using layer = await store.fetch(blob, [liar, long, far], { signal });
    assert.deepEqual(await readFile(layer.path), content);
    assert.deepEqual([liar.offsets, long.offsets, far.offsets], [[0], [0], [0]]);
  });

  test('half of it from a liar does not make the registry one', async () => {
    const store = await open();
    const liar = new FakeSource('liar', randomBytes(content.length), { isPeer: true, cuts: [6_000] });
    const far = new FakeSource('far', content);
    using layer = await store.fetch(blob, [liar, far], { signal });
    assert.deepEqual(await readFile(layer.path), content);
    assert.deepEqual(far.offsets, [6_000, 0]);
  });

  test('a registry that gives something else is told of as such', async () => {
    const store = await open();
    const far = new FakeSource('far', randomBytes(content.length));
    await assert.rejects(store.fetch(blob, [far], { signal }), { code: 'WrongContent' });
    assert.equal(store.has(blob.digest), false);
    assert.equal(far.offsets.length, 1);
  });

  test('a source that knows no ranges is taken from the beginning', async () => {
    const store = await open();
    const far = new FakeSource('far', content, { knowsRanges: false, cuts: [8_000] });
    using layer = await store.fetch(blob, [far], { signal });
    assert.deepEqual(await readFile(layer.path), content);
  });

  test('two who ask at a time share one transfer, which goes on while one of them waits', async () => {
    const store = await open();
    const gate = Promise.withResolvers<void>();
    const slow: BlobSource = {
      name: 'slow',
      isPeer: false,
      async open() {
        await gate.promise;
        return {
          from: 0,
          body: (async function* () {
            yield content;
          })(),
        };
      },
    };
    const never = new FakeSource('never');
    const leaver = new AbortController();
    const left = store.fetch(blob, [slow], { signal: leaver.signal });
    const stays = store.fetch(blob, [never], { signal });
    leaver.abort(new Error('no longer wanted'));
    await assert.rejects(left, /no longer wanted/);
    gate.resolve();
    using _layer = await stays;
    assert.equal((await readdir(join(folder, 'partial'))).length, 0);
  });

  test('what is used least goes first, what is held never, and what cannot fit is refused', async () => {
    const clock = hurriedClock();
    const store = await openLayerStore({
      folder,
      bytesMax: 50_000,
      clock,
      random: seededRandom(1),
      log: silentLogger,
    });
    stores.push(store);
    const contents = [1, 2, 3].map(() => randomBytes(20_000));
    const [one, two, three] = contents.map(describe) as [Blob, Blob, Blob];
    const source = (at: number) => [new FakeSource('far', contents[at])];
    using _held = await store.fetch(one, source(0), { signal });
    (await store.fetch(two, source(1), { signal }))[Symbol.dispose]();
    (await store.fetch(three, source(2), { signal }))[Symbol.dispose]();
    assert.deepEqual(
      [one, two, three].map(({ digest }) => store.has(digest)),
      [true, false, true],
    );
    assert.ok(store.bytes <= 50_000);
    const large = randomBytes(60_000);
    await assert.rejects(store.fetch(describe(large), [new FakeSource('far', large)], { signal }), {
      code: 'NoRoom',
    });
    assert.equal(await store.takes(60_000), false);
  });

  test('what nobody has asked for in a month is gone at the next start', async () => {
    const other = randomBytes(10);
    const source = [new FakeSource('far', content)];
    (await (await open()).fetch(blob, source, { signal }))[Symbol.dispose]();
    const fetched = await (await open()).fetch(describe(other), [new FakeSource('far', other)], { signal });
    fetched[Symbol.dispose]();
    const monthAgo = Date.now() / 1000 - 31 * 24 * 60 * 60;
    await utimes(join(folder, 'blobs', blob.digest.slice(7)), monthAgo, monthAgo);
    const store = await open();
    assert.deepEqual([store.has(blob.digest), store.has(describe(other).digest)], [false, true]);
  });

  test('a limit that is lower than before is kept at once', async () => {
    (await (await open()).fetch(blob, [new FakeSource('far', content)], { signal }))[Symbol.dispose]();
    const store = await open(10_000);
    assert.equal(store.has(blob.digest), false);
    assert.deepEqual(await readdir(join(folder, 'blobs')), []);
  });

  test('a blob that went bad on the card is never given whole, and goes', async () => {
    const store = await open();
    (await store.fetch(blob, [new FakeSource('far', content)], { signal }))[Symbol.dispose]();
    const bad = Buffer.from(content);
    bad[10] = (bad[10] ?? 0) ^ 1;
    await writeFile(join(folder, 'blobs', blob.digest.slice(7)), bad);
    let given = 0;
    const read = async () => {
      using layer = store.hold(blob.digest);
      assert.ok(layer);
      for await (const chunk of store.read(layer)) given += chunk.length;
    };
    await assert.rejects(read(), { code: 'WrongContent' });
    assert.ok(given < content.length);
    assert.equal(store.has(blob.digest), false);
  });
});

function describe(content: Uint8Array): Blob {
  return { digest: sha256(content), size: content.length, mediaType: '' };
}
