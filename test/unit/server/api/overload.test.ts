import assert from 'node:assert/strict';
import { Agent } from 'node:https';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { apiLimits } from '../../../../server/api/api-limits.ts';
import { type ApiFixture, openApi } from './api-fixture.ts';
import { WatchReader } from './watch-reader.ts';

const path = '/api/v1/namespaces/default/configmaps';

test('a body that comes drop by drop is cut off in time, and a request beside it is answered', async () => {
  await using api = await openApi({ timeouts: { headersMs: 150, requestMs: 300, checkEveryMs: 20 } });
  const slow = await Promise.all(Array.from({ length: 20 }, () => sendSlowly(api)));
  const closed = Promise.all(slow.map(({ gone }) => gone));
  assert.equal((await api.send('GET', '/livez')).text, 'ok');
  await closed;
  for (const { answer } of slow) assert.match(answer(), /^HTTP\/1\.1 408 /);
  assert.equal((await api.send('GET', path)).json().items.length, 0);
  assert.match((await api.send('GET', '/metrics')).text, /inflight_requests\{request_kind="mutating"\} 0\n/);
});

test('beyond the requests that may be worked at a time everybody is told to come back, but watches go on', async () => {
  const held = Promise.withResolvers<void>();
  await using api = await openApi({}, (registry) => ({
    ...registry,
    get resourceVersion() {
      return registry.resourceVersion;
    },
    get: async (kind, at) => {
      await held.promise;
      return registry.get(kind, at);
    },
  }));
  const agent = new Agent({ keepAlive: true, ca: api.authority.ca, maxSockets: 1_000 });
  const watch = await WatchReader.open(
    api,
    `${path}?watch=1&resourceVersion=${api.registry.resourceVersion}`,
  );
  const waiting = Array.from({ length: apiLimits.requestsInFlightMax }, () =>
    api.send('GET', `${path}/a`, { agent }),
  );
  let refused = await api.send('GET', '/livez');
  while (refused.code !== 429) refused = await api.send('GET', '/livez');
  assert.equal(refused.headers['retry-after'], '1');
  assert.equal(refused.json().reason, 'TooManyRequests');
  assert.equal(watch.ended, false);
  held.resolve();
  for (const answer of await Promise.all(waiting)) assert.equal(answer.code, 404);
  await api.create(path, { metadata: { name: 'after' } });
  assert.equal((await watch.read(1))[0].object.metadata.name, 'after');
  watch.response.destroy();
  agent.destroy();
});

/** A request that declares a body and sends one byte of it now and then. */
async function sendSlowly(api: ApiFixture): Promise<{ gone: Promise<void>; answer: () => string }> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port: api.server.port, ca: api.authority.ca });
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  const head = ['Host: a', 'Authorization: Bearer admin-token', 'Content-Type: application/json'];
  socket.write(`POST ${path} HTTP/1.1\r\n${[...head, 'Content-Length: 1000'].join('\r\n')}\r\n\r\n{`);
  const drip = setInterval(() => socket.write(' '), 10);
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  void gone.then(() => clearInterval(drip));
  return { gone, answer: () => text };
}
