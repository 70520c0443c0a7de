import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { limits } from '../../../../protocol/limits.ts';
import { apiLimits } from '../../../../server/api/api-limits.ts';
import { type ApiFixture, openApi } from './api-fixture.ts';

const path = '/api/v1/namespaces/default/configmaps';

describe('hostile input', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
  });
  after(() => api[Symbol.asyncDispose]());

  async function refusal(body: string | Buffer, contentType = 'application/json') {
    const answer = await api.send('POST', path, { body, contentType });
    const { reason, message, code } = answer.json();
    assert.equal(answer.code, code);
    return { code, reason, message };
  }

  async function stillServes(): Promise<void> {
    assert.equal((await api.send('GET', '/livez')).text, 'ok');
  }

  test('a body over the limit is 413, whether its length is declared or not', async () => {
    const body = JSON.stringify({ data: { a: 'x'.repeat(limits.requestBytesMax) } });
    assert.deepEqual(await refusal(body), {
      code: 413,
      reason: 'RequestEntityTooLarge',
      message: `Request entity too large: limit is ${limits.requestBytesMax}`,
    });
    const chunked = await api.send('POST', path, { headers: { 'Transfer-Encoding': 'chunked' }, body });
    assert.equal(chunked.code, 413);
  });

  test('an object over the limit of the store is 413', async () => {
    const args = Array.from({ length: 100 }, () => 'x'.repeat(limits.objectBytesMax / 100));
    const body = { metadata: { name: 'big' }, spec: { containers: [{ name: 'a', image: 'b', args }] } };
    const answer = await api.send('POST', '/api/v1/namespaces/default/pods', { body });
    assert.equal(answer.code, 413);
    assert.equal(answer.json().reason, 'RequestEntityTooLarge');
  });

  test('nesting is bounded, in JSON and in YAML', async () => {
    const deep = (open: string, close: string) =>
      `{"metadata":{"name":"a"},"data":${open.repeat(200_000)}${close.repeat(200_000)}}`;
    for (const body of [deep('[', ']'), deep('{"a":', '}').replace('{"a":}', '{}')])
      assert.equal((await refusal(body)).code, 400);
    assert.equal((await refusal(`a: ${'['.repeat(20_000)}`, 'application/yaml')).code, 400);
    assert.equal((await refusal(`${'- '.repeat(2_000)}x`, 'application/yaml')).code, 400);
    await stillServes();
  });

  test('no field name reaches a prototype', async () => {
    const bodies = [
      '{"metadata":{"name":"a"},"data":{"__proto__":{"polluted":"yes"}}}',
      '{"__proto__":{"metadata":{"name":"a"}}}',
      String.raw`{"metadata":{"name":"a","labels":{"\u005f_proto__":"x"}}}`,
    ];
    for (const body of bodies) assert.equal((await refusal(body)).code, 400, body);
    assert.equal((await refusal('__proto__:\n  a: b\n', 'application/yaml')).code, 400);
    const constructor = '{"metadata":{"name":"c"},"data":{"constructor":"x","toString":"y"}}';
    const answer = await api.send('POST', path, { body: constructor });
    assert.deepEqual(answer.json().data, { constructor: 'x', toString: 'y' });
    assert.equal(({} as { polluted?: string }).polluted, undefined);
  });

  test('bytes that are not UTF-8 are refused', async () => {
    const body = Buffer.concat([
      Buffer.from('{"metadata":{"name":"'),
      Buffer.from([0xff, 0xc0]),
      Buffer.from('"}}'),
    ]);
    assert.equal((await refusal(body)).code, 400);
    for (const half of [String.raw`{"metadata":{"name":"\ud800"}}`, String.raw`{"data":{"\udfff":"x"}}`])
      assert.match((await refusal(half)).message ?? '', /not well-formed Unicode/);
  });

  test('malformed JSON and YAML name the expected kind', async () => {
    assert.match(
      (await refusal('{"metadata":')).message,
      /^the object provided is unrecognized \(must be of type ConfigMap\): couldn't get version\/kind; json parse error: /,
    );
    assert.match((await refusal('a: [1', 'application/yaml')).message, /yaml parse error: /);
    for (const body of ['[]', '"text"', 'null', '1', '']) assert.equal((await refusal(body)).code, 400, body);
  });

  test('a YAML bomb is refused before it grows', async () => {
    const levels = Array.from({ length: 12 }, (_, level) =>
      level === 0
        ? 'a0: &a0 [x,x,x,x,x,x,x,x,x]'
        : `a${level}: &a${level} [${`*a${level - 1},`.repeat(9).slice(0, -1)}]`,
    );
    assert.equal((await refusal(levels.join('\n'), 'application/yaml')).code, 400);
    const wide = `big: &big ${'x'.repeat(200_000)}\ndata: [${'*big,'.repeat(50).slice(0, -1)}]`;
    assert.equal((await refusal(wide, 'application/yaml')).code, 413);
    assert.equal((await refusal('x'.repeat(apiLimits.yamlBytesMax + 1), 'application/yaml')).code, 413);
  });

  test('types and encodings that are not spoken are 415', async () => {
    for (const type of ['application/cbor', 'text/plain'])
      assert.equal((await refusal('{}', type)).code, 415, type);
    const gzip = { 'Content-Encoding': 'gzip' };
    assert.equal((await api.send('POST', path, { body: '{}', headers: gzip })).code, 415);
  });

  test('tricks with paths do not reach other objects', async () => {
    await api.create(path, { metadata: { name: 'secret' } });
    for (const trick of ['..%2fsecret', '%2e%2e/configmaps/secret', 'a/../secret', '%00', '/secret'])
      assert.equal((await api.send('GET', `${path}/${trick}`)).code, 400, trick);
    assert.equal((await api.send('GET', '/api/v1/namespaces/default/nodes')).code, 404);
    assert.equal((await api.send('GET', '/api/v1/configmaps/secret')).code, 404);
  });

  test('a connection may not queue requests without end', async () => {
    const socket = connect({ host: '127.0.0.1', port: api.server.port, ca: api.authority.ca });
    const request = `GET /api/v1/pods HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin-token\r\n\r\n`;
    socket.on('error', () => {});
    socket.resume();
    socket.write(request.repeat(200));
    await new Promise((resolve) => socket.on('close', resolve));
    await stillServes();
  });
});

test('a client that sends its headers drop by drop is cut off', async () => {
  await using api = await openApi({ timeouts: { headersMs: 100, checkEveryMs: 20 } });
  const socket = connect({ host: '127.0.0.1', port: api.server.port, ca: api.authority.ca });
  socket.on('error', () => {});
  socket.resume();
  socket.write('GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ');
  const drip = setInterval(() => socket.write('x'), 10);
  await new Promise((resolve) => socket.on('close', resolve));
  clearInterval(drip);
});
