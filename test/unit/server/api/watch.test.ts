import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { apiLimits } from '../../../../server/api/api-limits.ts';
import type { Registry } from '../../../../server/registry/registry.ts';
import { type ApiFixture, openApi } from './api-fixture.ts';
import { HeldClock } from './held-clock.ts';
import { sampleConfigMap } from './sample-objects.ts';
import { summaries, WatchReader } from './watch-reader.ts';

const path = '/api/v1/namespaces/default/configmaps';
const table = { Accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
const metadataOnly = { Accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' };

describe('watches', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
    await api.create(path, sampleConfigMap('there'));
  });
  after(() => api[Symbol.asyncDispose]());

  async function write(name: string): Promise<void> {
    await api.create(path, sampleConfigMap(name));
    const patch = { contentType: 'application/merge-patch+json', body: { data: { a: '1' } } };
    await api.send('PATCH', `${path}/${name}`, patch);
    await api.send('DELETE', `${path}/${name}`);
  }

  test('without a version: what is there, then what changes', async () => {
    const watch = await WatchReader.open(api, `${path}?watch=1`);
    await watch.read(1);
    await write('a');
    assert.deepEqual(summaries(await watch.read(4)), ['ADDED there', 'ADDED a', 'MODIFIED a', 'DELETED a']);
    assert.equal(watch.frames[1].object.kind, 'ConfigMap');
    assert.equal(watch.frames[1].object.apiVersion, 'v1');
    watch.close();
  });

  test('from a version: exactly what came after it', async () => {
    const { resourceVersion } = (await api.send('GET', path)).json().metadata;
    await write('b');
    const watch = await WatchReader.open(api, `${path}?watch=true&resourceVersion=${resourceVersion}`);
    assert.deepEqual(summaries(await watch.read(3)), ['ADDED b', 'MODIFIED b', 'DELETED b']);
    watch.close();
  });

  test('sendInitialEvents marks the end of the initial events', async () => {
    const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const watch = await WatchReader.open(api, `${path}?${query}`);
    const [, bookmark] = await watch.read(2);
    assert.equal(bookmark.type, 'BOOKMARK');
    assert.equal(bookmark.object.kind, 'ConfigMap');
    assert.equal(bookmark.object.metadata.annotations['k8s.io/initial-events-end'], 'true');
    await write('c');
    assert.deepEqual(summaries(await watch.read(5)).slice(2), ['ADDED c', 'MODIFIED c', 'DELETED c']);
    watch.close();
  });

  test('a selector that stops matching is a DELETED', async () => {
    const watch = await WatchReader.open(api, `${path}?watch=1&labelSelector=app%3Dweb`);
    await api.create(path, { metadata: { name: 'labelled', labels: { app: 'web' } } });
    await watch.read(1);
    const relabel = {
      contentType: 'application/merge-patch+json',
      body: { metadata: { labels: { app: 'db' } } },
    };
    await api.send('PATCH', `${path}/labelled`, relabel);
    assert.deepEqual(summaries(await watch.read(2)), ['ADDED labelled', 'DELETED labelled']);
    watch.close();
    await api.send('DELETE', `${path}/labelled`);
  });

  test('one object is watched by its path or by a field selector', async () => {
    for (const query of [`/there?watch=1`, `?watch=1&fieldSelector=metadata.name%3Dthere`]) {
      const watch = await WatchReader.open(api, `${path}${query}`);
      assert.deepEqual(summaries(await watch.read(1)), ['ADDED there']);
      watch.close();
    }
  });

  test('as a Table, the columns come once; as metadata, nothing else comes', async () => {
    const tables = await WatchReader.open(api, `${path}?watch=1`, table);
    const metadata = await WatchReader.open(api, `${path}?watch=1`, metadataOnly);
    await Promise.all([tables.read(1), metadata.read(1)]);
    await write('d');
    const [first, second] = await tables.read(4);
    assert.equal(first.object.kind, 'Table');
    assert.equal(first.object.columnDefinitions[0].name, 'Name');
    assert.deepEqual(second.object.columnDefinitions, []);
    assert.deepEqual(second.object.rows[0].cells.slice(0, 2), ['d', 0]);
    assert.equal(second.object.rows[0].object.kind, 'PartialObjectMetadata');
    const [, added] = await metadata.read(2);
    assert.deepEqual([added.object.kind, added.object.data], ['PartialObjectMetadata', undefined]);
    tables.close();
    metadata.close();
  });

  test('what can be refused is refused before the stream', async () => {
    const refused = [
      'labelSelector=a%20in%20b',
      'fieldSelector=spec.colour%3Dred',
      'resourceVersion=abc',
      'timeoutSeconds=-1',
    ];
    for (const query of refused) {
      const answer = await api.send('GET', `${path}?watch=1&${query}`);
      assert.equal(answer.code, 400, query);
    }
    for (const query of ['resourceVersionMatch=Exact', 'sendInitialEvents=true'])
      assert.equal((await api.send('GET', `${path}?watch=1&${query}`)).code, 422, query);
    const yaml = { headers: { Accept: 'text/html' } };
    assert.equal((await api.send('GET', `${path}?watch=1`, yaml)).code, 406);
  });

  test('a version that history no longer has ends with an ERROR frame of 410', async () => {
    await write('e');
    await api.store.compact(api.store.revision);
    const watch = await WatchReader.open(api, `${path}?watch=1&resourceVersion=1`);
    assert.equal(watch.response.statusCode, 200);
    const [{ type, object }] = await watch.untilEnd();
    assert.deepEqual([type, object.kind, object.code, object.reason], ['ERROR', 'Status', 410, 'Expired']);
    assert.ok(watch.complete);
  });
});

test('a watch ends when its time is over', async () => {
  const clock = new HeldClock(300_000);
  await using api = await openApi({ clock });
  const watch = await WatchReader.open(api, `${path}?watch=1&timeoutSeconds=300`);
  clock.fire();
  await watch.untilEnd();
  assert.ok(watch.complete);
});

test('an event is serialised once, however many watch it alike', async () => {
  await using api = await openApi();
  const watches = await Promise.all(
    Array.from({ length: 20 }, () => WatchReader.open(api, `${path}?watch=1`)),
  );
  const stringify = JSON.stringify;
  let serialised = 0;
  JSON.stringify = ((value: unknown, ...rest: []) => {
    const { metadata, apiVersion } = (value ?? {}) as { metadata?: { name?: string }; apiVersion?: string };
    if (metadata?.name === 'shared' && apiVersion) serialised += 1;
    return stringify(value, ...rest);
  }) as typeof JSON.stringify;
  try {
    await api.registry.create((await import('../../../../protocol/kinds/config-map.ts')).configMapKind, {
      metadata: { name: 'shared', namespace: 'default' },
    });
    await Promise.all(watches.map((watch) => watch.read(1)));
  } finally {
    JSON.stringify = stringify;
  }
  assert.ok(serialised <= 2, `serialised ${serialised} times (once is the store's)`);
  for (const watch of watches) watch.close();
});

test('a watcher that reads nothing is cut off, and little is kept for it', async () => {
  const clock = new HeldClock(apiLimits.stalledReaderMs);
  let sent = 0;
  const object = { metadata: { name: 'big', namespace: 'default' }, data: { filler: 'x'.repeat(64 * 1024) } };
  async function* endless() {
    for (;;) {
      sent += 1;
      yield { type: 'MODIFIED', object };
    }
  }
  const flooding = (registry: Registry): Registry => ({
    ...registry,
    watch: endless as unknown as Registry['watch'],
  });
  await using api = await openApi({ clock }, flooding);
  const socket = connect({ host: '127.0.0.1', port: api.server.port, ca: api.authority.ca });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', () => {});
  socket.write(
    `GET ${path}?watch=1&resourceVersion=1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin-token\r\n\r\n`,
  );
  let held = 0;
  for (let same = 0; same < 100; same = held === sent && clock.pending > 0 ? same + 1 : 0) {
    held = sent;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(held * 64 * 1024 < 16 * 1024 * 1024);
  clock.fire();
  socket.resume();
  await closed;
});

test('stopping ends watches cleanly and waits for nobody who sends nothing', async () => {
  const api = await openApi({ clock: new HeldClock(apiLimits.closeGraceMs) });
  const watches = await Promise.all(
    Array.from({ length: 5 }, () => WatchReader.open(api, `${path}?watch=1`)),
  );
  const idle = connect({ host: '127.0.0.1', port: api.server.port, ca: api.authority.ca });
  idle.on('error', () => {});
  await new Promise((resolve) => idle.on('secureConnect', resolve));
  await api[Symbol.asyncDispose]();
  for (const watch of watches) {
    await watch.untilEnd();
    assert.ok(watch.complete);
  }
});
