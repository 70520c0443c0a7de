import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { openPullWay } from '../../../../agent/drivers/oci/pull-way.ts';
import type { BlobSource } from '../../../../agent/layers/fetch-blob.ts';
import { type EngineMirror, type Layers, openLayers } from '../../../../agent/layers/layers.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { systemRandom } from '../../../../lib/random.ts';
import { SmallRegistry, sha256 } from '../../../support/small-registry.ts';
import { hurriedClock } from './hurried-clock.ts';

suite('the mirror that an engine pulls through', () => {
  let folder: string;
  let registry: SmallRegistry;
  let layers: Layers;
  let mirror: EngineMirror;
  let peers: BlobSource[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flotilla-mirror-'));
    registry = await new SmallRegistry().start();
    await writeFile(
      join(folder, 'registries.conf'),
      `[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n`,
    );
    layers = await openLayers({
      folder,
      bytesMax: 200_000,
      neighbourhood: { peers: async () => peers, keeps: () => true },
      environment: { CONTAINERS_REGISTRIES_CONF: join(folder, 'registries.conf') },
      clock: hurriedClock(),
      random: systemRandom,
      log: silentLogger,
    });
    const opened = await layers.mirror(`${registry.host}/team/app:1`, undefined);
    assert.ok(opened);
    mirror = opened;
  });
  afterEach(async () => {
    peers = [];
    mirror[Symbol.dispose]();
    layers[Symbol.dispose]();
    registry.stop();
    await rm(folder, { recursive: true });
  });

  function ask(path: string, headers: Record<string, string> = {}): Promise<Response> {
    const [host, name] = mirror.location.split('/');
    return fetch(`http://${host}/v2/${name}/${path}`, { headers });
  }

  test('it gives manifests as the registry does, and blobs that come from there once', async () => {
    const pushed = registry.addImage('1', [100_000]);
    const digest = pushed.layers[0]?.digest ?? '';
    assert.equal((await ask(`blobs/${digest}`)).status, 404, 'before a manifest has named it');
    const manifest = await ask('manifests/1', { Accept: '*/*' });
    assert.equal(manifest.headers.get('docker-content-digest'), pushed.digest);
    assert.equal(sha256(new Uint8Array(await manifest.arrayBuffer())), pushed.digest);
    const whole = Buffer.from(await (await ask(`blobs/${digest}`)).arrayBuffer());
    assert.deepEqual(whole, registry.blobs.get(digest));
    const part = await ask(`blobs/${digest}`, { Range: 'bytes=99000-' });
    assert.equal(part.status, 206);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), whole.subarray(99_000));
    assert.equal(registry.blobBytes(), 100_000);
    assert.equal(mirror.arrivals.bytes, 100_000);
    assert.deepEqual([...mirror.digests], [digest]);
  });

  test('what devices nearby have comes from them, and is counted', async () => {
    const pushed = registry.addImage('1', [50_000]);
    const digest = pushed.layers[0]?.digest ?? '';
    const content = registry.blobs.get(digest);
    const body = async function* () {
      if (content) yield content;
    };
    peers = [{ name: 'board-2', isPeer: true, open: async () => ({ from: 0, body: body() }) }];
    await (await ask('manifests/1')).arrayBuffer();
    assert.equal((await (await ask(`blobs/${digest}`)).arrayBuffer()).byteLength, 50_000);
    assert.equal(registry.blobBytes(), 0);
    assert.deepEqual([...mirror.arrivals.fromPeers], [['board-2', 50_000]]);
  });

  test('what it cannot do is left to the engine before the first blob', async () => {
    registry.addImage('large', [300_000]);
    registry.addImage('1', [10]);
    assert.equal((await ask('manifests/large')).status, 403);
    assert.equal((await ask('manifests/none')).status, 404);
    registry.account = 'anna:right';
    assert.equal((await ask('manifests/1')).status, 403);
    assert.equal(mirror.failure, undefined);
    const { location } = mirror;
    mirror[Symbol.dispose]();
    registry.account = undefined;
    assert.equal((await fetch(`http://${location.replace('/', '/v2/')}/manifests/1`)).status, 404);
  });

  test('the engine’s own words name no mirror, and a blob that does not come is explained', async () => {
    const engine = { command: 'podman' } as Parameters<typeof openPullWay>[2]['engine'];
    const image = `${registry.host}/team/app:1`;
    using way = await openPullWay(image, undefined, {
      engine,
      layers: async () => layers,
      log: silentLogger,
    });
    const place = /"(127\.0\.0\.1:\d+\/[0-9a-f]{32})"/.exec(way.registries ?? '')?.[1] ?? '';
    const told = `initializing source docker://x:1: (Mirrors also failed: [${place}:1: no]): ${image}: unauthorized`;
    const words = async (message: string) =>
      (await way.ended({ exitCode: 125, stdout: '', message })).message;
    assert.equal(await words(told), `initializing source docker://x:1: ${image}: unauthorized`);
    assert.equal(await words(`${place}: broken`), 'this device: broken');
    registry.addImage('1', [10]);
    const [host, name] = place.split('/');
    const get = (path: string) => fetch(`http://${host}/v2/${name}/${path}`);
    const manifest = (await (await get('manifests/1')).json()) as { layers: { digest: string }[] };
    registry.blobs.clear();
    assert.equal((await get(`blobs/${manifest.layers[0]?.digest}`)).status, 404);
    assert.match(await words('received unexpected HTTP status'), /has no sha256:/);
  });

  test('settings that are not understood, and engines without such, are left alone', async () => {
    const engine = { command: 'docker' } as Parameters<typeof openPullWay>[2]['engine'];
    using docker = await openPullWay('a', undefined, {
      engine,
      layers: async () => layers,
      log: silentLogger,
    });
    assert.equal(docker.registries, undefined);
    await writeFile(
      join(folder, 'registries.conf'),
      `[[registry]]\nlocation = "${registry.host}/team/app"\n`,
    );
    assert.equal(await layers.mirror(`${registry.host}/team/app:1`, undefined), undefined);
  });
});
