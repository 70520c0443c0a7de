import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, suite, test } from 'node:test';
import { connect } from 'node:tls';
import type { BlobSource } from '../../../../agent/layers/fetch-blob.ts';
import { type LayerStore, openLayerStore } from '../../../../agent/layers/layer-store.ts';
import { createNeighbourhood } from '../../../../agent/layers/neighbourhood.ts';
import { openPeerServer, type PeerServer } from '../../../../agent/layers/peer-server.ts';
import { createPeerSources } from '../../../../agent/layers/peer-sources.ts';
import { systemClock } from '../../../../lib/clock.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { systemRandom } from '../../../../lib/random.ts';
import { neighboursKey } from '../../../../protocol/kinds/neighbours.ts';
import type { SetEntry } from '../../../../protocol/topics/sync.ts';
import { eventually } from '../../../support/eventually.ts';
import { sha256 } from '../../../support/small-registry.ts';
import { makeIdentity, type TestIdentity } from '../../../support/test-identity.ts';

const signal = new AbortController().signal;
const clock = systemClock;
const log = silentLogger;
const random = systemRandom;

suite('layers from devices nearby', () => {
  const content = randomBytes(300_000);
  const blob = { digest: sha256(content), size: content.length, mediaType: '' };
  let home: TestIdentity;
  let elsewhere: TestIdentity;
  let folder: string;
  let store: LayerStore;
  let server: PeerServer;

  before(async () => {
    home = await makeIdentity();
    elsewhere = await makeIdentity();
  });
  after(async () => {
    await home[Symbol.asyncDispose]();
    await elsewhere[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flotilla-peers-'));
    store = await openLayerStore({ folder, bytesMax: 1_000_000, clock, random, log });
    (await store.fetch(blob, [giver(content)], { signal }))[Symbol.dispose]();
    server = await serverOf(home.device('board-1'));
  });
  afterEach(async () => {
    server[Symbol.dispose]();
    await rm(folder, { recursive: true });
  });

  const serverOf = (credentials: ReturnType<TestIdentity['device']>) =>
    openPeerServer({ credentials, clockTrusted: () => true, clock, log, store, port: 0 });

  function sourcesOf(credentials: ReturnType<TestIdentity['device']>, port = server.port) {
    const sources = createPeerSources({ credentials, clockTrusted: () => true, clock, random });
    const of = (...names: string[]) =>
      sources.of(names.map((name) => ({ name, addresses: ['127.0.0.1'], port })));
    return { of };
  }

  async function read(source: BlobSource | undefined, offset = 0, wanted = blob): Promise<Buffer> {
    const answer = await source?.open(wanted, { offset, signal });
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer?.body ?? []) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  test('a device of the cluster gets them, in whole or from where it stopped', async () => {
    const [source] = sourcesOf(home.device('board-2')).of('board-1');
    assert.deepEqual(await read(source), content);
    assert.deepEqual(await read(source, 299_990), content.subarray(299_990));
    const other = { ...blob, digest: sha256(randomBytes(8)) };
    await assert.rejects(read(source, 0, other), { code: 'NotFound' });
    await assert.rejects(read(source, 0, { ...blob, digest: 'sha256:../../identity/device.key' }), {
      code: 'NotFound',
    });
  });

  test('nobody else gets anything: no device of another cluster, no person, and no one without a certificate', async () => {
    const [stranger] = sourcesOf(elsewhere.device('board-2')).of('board-1');
    await assert.rejects(read(stranger), { code: 'Unreachable' });
    const [key, cert] = await Promise.all(
      ['admin.key', 'admin.crt'].map((name) => readFile(join(home.directory, name), 'utf8')),
    );
    assert.ok(key && cert);
    for (const credentials of [undefined, elsewhere.device('board-2'), home.identity.server, { key, cert }])
      assert.equal(await rawAnswer(server.port, blob.digest, credentials), '');
    assert.match(await rawAnswer(server.port, blob.digest, home.device('board-2')), /^HTTP\/1.1 200/);
  });

  test('who answers in another’s name, or has another cluster’s certificate, is not believed', async () => {
    const [other] = sourcesOf(home.device('board-2')).of('board-3');
    await assert.rejects(read(other), { code: 'Unreachable', message: /is not board-3/ });
    using impostor = await serverOf(elsewhere.device('board-1'));
    const [source] = sourcesOf(home.device('board-2'), impostor.port).of('board-1');
    await assert.rejects(read(source), { code: 'Unreachable' });
  });

  test('one that does not answer is left alone for a while, and the last giver is asked first', async () => {
    const { of } = sourcesOf(home.device('board-2'));
    const [, ...rest] = of('board-1', 'board-9');
    assert.equal(rest.length, 1);
    await assert.rejects(read(of('board-9')[0]), { code: 'Unreachable' });
    assert.deepEqual(
      of('board-1', 'board-9').map(({ name }) => name),
      ['board-1'],
    );
    await read(of('board-1')[0]);
    for (let round = 0; round < 8; round += 1) assert.equal(of('board-5', 'board-1')[0]?.name, 'board-1');
  });

  test('more at a time than a device can bear go elsewhere', async () => {
    const sources = sourcesOf(home.device('board-2')).of('board-1', 'board-1', 'board-1', 'board-1');
    const begun = await Promise.allSettled(sources.map((source) => source.open(blob, { offset: 0, signal })));
    assert.deepEqual(begun.map(({ status }) => status).sort(), [
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
    ]);
    for (const one of begun) if (one.status === 'fulfilled') for await (const _chunk of one.value.body);
    assert.deepEqual(await read(sources[0]), content);
  });

  /** What a server may have told the device. */
  class Desired {
    readonly entries = new Map<string, SetEntry>();
    #changed: (keys: ReadonlySet<string>) => void = () => {};

    onChange(handler: (keys: ReadonlySet<string>) => void): Disposable {
      this.#changed = handler;
      return { [Symbol.dispose]: () => {} };
    }

    tell(devices: readonly object[] | undefined, digest: string): void {
      const object = { site: 'hall', devices };
      if (devices) this.entries.set(neighboursKey, { key: neighboursKey, digest, object });
      else this.entries.delete(neighboursKey);
      this.#changed(new Set([neighboursKey]));
    }
  }

  const neighbourhoodOf = (name: string, desired: Desired, announced: (number | undefined)[] = []) =>
    createNeighbourhood({
      name,
      desired,
      credentials: home.device(name),
      clockTrusted: () => true,
      port: server.port,
      announce: (port) => void announced.push(port),
      clock,
      random,
      log,
    });

  test('a device gives and keeps layers while it is told of a site, and no longer', async () => {
    const desired = new Desired();
    const announced: (number | undefined)[] = [];
    using neighbourhood = neighbourhoodOf('board-1', desired, announced);
    neighbourhood.share(async () => store);
    assert.equal(neighbourhood.keeps(), false);
    desired.tell([], '1');
    await eventually(() => announced.length === 1, 'a port');
    assert.equal(neighbourhood.keeps(), true);
    assert.notEqual(announced[0], server.port, 'that one is taken');
    assert.deepEqual(await neighbourhood.peers(blob), []);
    desired.tell([{ name: 'board-2', addresses: ['127.0.0.1'], port: server.port }], '2');
    const names = (await neighbourhood.peers(blob)).map(({ name }) => name);
    assert.deepEqual(names, ['board-2']);
    desired.tell(undefined, '3');
    await eventually(() => announced.length === 2, 'no port');
    assert.equal(announced[1], undefined);
    assert.equal(neighbourhood.keeps(), false);
    assert.equal(store.bytes, 0);
    await assert.rejects(rawAnswer(announced[0] ?? 0, blob.digest, home.device('board-2')), {
      code: 'ECONNREFUSED',
    });
  });

  test('what a neighbour is fetching from afar is waited for; what it waits for itself is not', async () => {
    const fresh = randomBytes(100_000);
    const wanted = { digest: sha256(fresh), size: fresh.length, mediaType: '' };
    const gate = Promise.withResolvers<void>();
    const slowly = (isPeer: boolean): BlobSource => ({
      name: 'slow',
      isPeer,
      async open() {
        const body = async function* () {
          yield fresh.subarray(0, 10);
          await gate.promise;
          yield fresh.subarray(10);
        };
        return { from: 0, body: body() };
      },
    });
    const sources = createPeerSources({
      credentials: home.device('board-2'),
      clockTrusted: () => true,
      // The one time that is waited for here.
      clock: {
        ...clock,
        after: (delayMs, task) => clock.after(delayMs === 3_000 ? 20 : delayMs, task),
      },
      random,
    });
    const [board] = sources.of([{ name: 'board-1', addresses: ['127.0.0.1'], port: server.port }]);
    const other = { ...wanted, digest: sha256(Buffer.from('other')) };
    const leaves = new AbortController();
    const nearby = store.fetch(other, [slowly(true)], { signal: leaves.signal });
    const arrived = Promise.withResolvers<void>();
    const fetched = store.fetch(wanted, [slowly(false)], { signal, onArrival: () => arrived.resolve() });
    await arrived.promise;
    await assert.rejects(read(board, 0, other), { code: 'NotFound' });
    const waiting = read(board, 0, wanted);
    leaves.abort(new Error('enough'));
    await assert.rejects(nearby, /enough/);
    gate.resolve();
    assert.deepEqual(await waiting, fresh);
    (await fetched)[Symbol.dispose]();
  });

  test('of several who want something large at once, one goes first and the others give it a head start', async () => {
    const names = ['board-1', 'board-2', 'board-3'];
    const firsts = new Set<string>();
    for (let at = 0; at < 30; at += 1) {
      const large = { digest: sha256(Buffer.from([at])), size: 5_000_000, mediaType: '' };
      const first: string[] = [];
      for (const name of names) {
        const desired = new Desired();
        const others = names.filter((other) => other !== name);
        using neighbourhood = neighbourhoodOf(name, desired);
        neighbourhood.share(async () => store);
        desired.entries.set(neighboursKey, {
          key: neighboursKey,
          digest: '1',
          object: {
            site: 'hall',
            devices: others.map((other) => ({ name: other, addresses: [], port: 1 })),
          },
        });
        const asked = await neighbourhood.peers(large);
        if (asked.length === 2) first.push(name);
        else assert.equal(asked.length, 5);
        assert.equal((await neighbourhood.peers({ ...large, size: 1_000 })).length, 2);
      }
      assert.equal(first.length, 1, first.join());
      firsts.add(first[0] ?? '');
    }
    assert.equal(firsts.size, 3);
  });
});

function giver(content: Buffer): BlobSource {
  const body = async function* () {
    yield content;
  };
  return { name: 'giver', isPeer: false, open: async () => ({ from: 0, body: body() }) };
}

/** What comes over a connection whose other end is not looked at. */
function rawAnswer(
  port: number,
  digest: string,
  credentials: { key: string; cert: string } | undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...credentials }, () =>
      socket.write(`GET /layers/${digest.slice(7)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    );
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNREFUSED' ? reject(error) : resolve(text),
    );
    socket.on('close', () => resolve(text));
  });
}
