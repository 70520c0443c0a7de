import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { type Layers, openLayers } from '../../../../agent/layers/layers.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import { ociManifest, SmallRegistry } from '../../../support/small-registry.ts';
import { hurriedClock } from './hurried-clock.ts';

const signal = new AbortController().signal;
const platform = { os: 'linux', architecture: 'arm64' };

suite('images from a registry without an engine', () => {
  let folder: string;
  let registry: SmallRegistry;
  let layers: Layers;
  let environment: Record<string, string>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flotilla-layers-'));
    registry = await new SmallRegistry().start();
    await settings(`[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n`);
    environment = { CONTAINERS_REGISTRIES_CONF: join(folder, 'registries.conf') };
    layers = await openLayers({
      folder,
      bytesMax: 10_000_000,
      neighbourhood: { peers: async () => [], keeps: () => false },
      environment,
      clock: hurriedClock(),
      random: seededRandom(1),
      log: silentLogger,
    });
  });
  afterEach(async () => {
    layers[Symbol.dispose]();
    registry.stop();
    await rm(folder, { recursive: true });
  });

  const settings = (text: string) => writeFile(join(folder, 'registries.conf'), text);
  const resolve = (image: string, credentials: { registry: string; auth: string }[] = []) =>
    layers.resolve(image, { credentials, platform, signal });
  const login = (account: string, host = registry.host) => ({
    registry: host,
    auth: Buffer.from(account).toString('base64'),
  });

  test('a name is its manifest, and its layers come whole', async () => {
    const pushed = registry.addImage('1', [100_000, 5]);
    const image = await resolve(`${registry.host}/team/app:1`);
    assert.equal(image.reference, `${registry.host}/team/app@${pushed.digest}`);
    assert.deepEqual([image.config, image.layers], [pushed.config, pushed.layers]);
    for (const blob of image.layers) {
      using layer = await layers.fetch(image.repository, blob, { signal });
      assert.deepEqual(await readFile(layer.path), registry.blobs.get(blob.digest));
    }
    await layers.finished(image.layers.map(({ digest }) => digest));
    assert.equal(layers.store.bytes, 0);
  });

  test('of several platforms it is this one, by a digest too; and none where there is none', async () => {
    const arm = registry.addImage('arm', [10]);
    const other = registry.addImage('other', [10]);
    const listed = (digest: string, architecture: string, variant?: string) => ({
      digest,
      size: registry.manifests.get(digest)?.content.length,
      mediaType: ociManifest,
      platform: { os: 'linux', architecture, ...(variant ? { variant } : {}) },
    });
    const list = [listed(other.digest, 'amd64'), listed(arm.digest, 'arm64', 'v8')];
    const type = 'application/vnd.oci.image.index.v1+json';
    const index = registry.addManifest('1', type, { schemaVersion: 2, manifests: list });
    for (const name of ['team/app:1', `team/app@${index.digest}`, `team/app:9@${index.digest}`]) {
      const image = await resolve(`${registry.host}/${name}`);
      assert.equal(image.reference, `${registry.host}/team/app@${index.digest}`);
      assert.deepEqual(image.layers, arm.layers);
    }
    registry.addManifest('2', type, { schemaVersion: 2, manifests: [listed(other.digest, 'amd64')] });
    await assert.rejects(resolve(`${registry.host}/team/app:2`), {
      code: 'NotFound',
      message: /linux\/arm64/,
    });
  });

  test('a log-in is for its registry alone, the right one of several is found, and a token that ran out is asked for anew', async () => {
    const pushed = registry.addImage('1', [50_000]);
    registry.account = 'anna:right';
    const name = `${registry.host}/team/app:1`;
    await assert.rejects(resolve(name), { code: 'Refused' });
    await assert.rejects(resolve(name, [login('anna:guessed')]), { code: 'Refused' });
    await assert.rejects(resolve(name, [login('anna:right', 'elsewhere.example')]), { code: 'Refused' });
    const image = await resolve(name, [login('anna:guessed'), login('anna:right')]);
    registry.expireTokens();
    registry.cutAfterBytes = 20_000;
    const [blob] = pushed.layers;
    assert.ok(blob);
    using layer = await layers.fetch(image.repository, blob, { signal });
    assert.deepEqual(await readFile(layer.path), registry.blobs.get(blob.digest));
    assert.equal(registry.blobBytes(), 50_000);
    assert.ok(registry.asked.some(({ range }) => range === 'bytes=20000-'));
  });

  test('blobs may be on another server, which is not told the log-in', async () => {
    const store = await new SmallRegistry().start();
    try {
      const pushed = registry.addImage('1', [1_000]);
      registry.account = 'anna:right';
      registry.redirectBlobs = `http://${store.host}`;
      for (const content of registry.blobs.values()) store.addBlob(content);
      store.account = 'nobody:ever';
      const image = await resolve(`${registry.host}/team/app:1`, [login('anna:right')]);
      const [blob] = pushed.layers;
      assert.ok(blob);
      await assert.rejects(layers.fetch(image.repository, blob, { signal }), { code: 'Refused' });
      store.account = undefined;
      using _layer = await layers.fetch(image.repository, blob, { signal });
    } finally {
      store.stop();
    }
  });

  test('mirrors of registries.conf are asked first, and the registry when they fail', async () => {
    const mirror = await new SmallRegistry().start();
    try {
      const pushed = registry.addImage('1', [1_000]);
      for (const content of registry.blobs.values()) mirror.addBlob(content);
      for (const [name, { type, content }] of registry.manifests)
        mirror.manifests.set(name, { type, content });
      await settings(`
        [[registry]]
        prefix = "images.example/team"
        location = "${registry.host}/team"
        insecure = true
        [[registry.mirror]]
        location = "${mirror.host}/copies"
        insecure = true
      `);
      const image = await resolve('images.example/team/app:1');
      assert.equal(image.reference, `images.example/team/app@${pushed.digest}`);
      assert.equal(mirror.asked.at(-1)?.path, '/v2/copies/app/manifests/1');
      assert.equal(registry.asked.length, 0);
      mirror.stop();
      assert.deepEqual((await resolve('images.example/team/app:1')).layers, pushed.layers);
      assert.equal(registry.asked.at(-1)?.path, '/v2/team/app/manifests/1');
      await settings('[[registry]]\nlocation = "images.example"\nblocked = true\n');
      await assert.rejects(resolve('images.example/team/app:1'), { code: 'Refused', message: /blocked/ });
    } finally {
      mirror.stop();
    }
  });

  test('a proxy of the host is used, and never for the device itself', async () => {
    const proxy = await new SmallRegistry().start();
    try {
      environment['HTTP_PROXY'] = `http://${proxy.host}`;
      registry.addImage('1', [10]);
      await resolve(`${registry.host}/team/app:1`);
      await settings('[[registry]]\nlocation = "images.example"\ninsecure = true\n');
      proxy.manifests.set('1', { type: ociManifest, content: Buffer.from('{}') });
      await assert.rejects(resolve('images.example/team/app:1'), { code: 'WrongContent' });
      assert.match(proxy.asked.at(-1)?.path ?? '', /\/team\/app\/manifests\/1$/);
    } finally {
      proxy.stop();
    }
  });

  test('what is no manifest, or not the one of that digest, is refused', async () => {
    registry.addManifest('1', ociManifest, { schemaVersion: 1, fsLayers: [] });
    await assert.rejects(resolve(`${registry.host}/team/app:1`), { code: 'WrongContent' });
    const { digest } = registry.addImage('2', [1]);
    registry.manifests.set(digest, { type: ociManifest, content: Buffer.from('{}') });
    await assert.rejects(resolve(`${registry.host}/team/app@${digest}`), { code: 'WrongContent' });
    await assert.rejects(resolve(`${registry.host}/team/app:3`), { code: 'NotFound' });
  });
});
