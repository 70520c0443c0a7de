import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readRequestInfo } from '../../../../../server/api/request/request-info.ts';
import { parseProxyName } from '../../../../../server/api/subresources/proxy/proxy-name.ts';
import { type ApiFixture, openApi } from '../api-fixture.ts';

test('what follows proxy is kept as it came, and what stands before it is read strictly', () => {
  const read = (path: string) => {
    const { rest, name, resource, subresource } = readRequestInfo(
      'GET',
      path,
      new URLSearchParams(),
    ) as never;
    return { rest, name, resource, subresource };
  };
  const pods = '/api/v1/namespaces/default/pods';
  const subject = { resource: 'pods', subresource: 'proxy' };
  assert.deepEqual(read(`${pods}/web:80/proxy`), { ...subject, name: 'web:80', rest: '' });
  assert.deepEqual(read(`${pods}/web/proxy/`), { ...subject, name: 'web', rest: '/' });
  assert.deepEqual(read(`${pods}/https:web:443/proxy/a//b/../%2F/c`), {
    ...subject,
    name: 'https:web:443',
    rest: '/a//b/../%2F/c',
  });
  assert.deepEqual(read('/api/v1/nodes/n1/proxy/metrics'), {
    resource: 'nodes',
    name: 'n1',
    subresource: 'proxy',
    rest: '/metrics',
  });
  for (const path of [
    '/api/v1/namespaces/../pods/x/proxy/a',
    '/api/v1/nodes/%2e%2e/proxy/a',
    '/api//nodes/n/proxy/a',
  ])
    assert.throws(() => read(path), { code: 400 }, path);
});

test('a name to proxy to may say a scheme and a port', () => {
  assert.deepEqual(parseProxyName('web'), { scheme: 'http', name: 'web', port: '' });
  assert.deepEqual(parseProxyName('web:http'), { scheme: 'http', name: 'web', port: 'http' });
  assert.deepEqual(parseProxyName('https:web:'), { scheme: 'https', name: 'web', port: '' });
  assert.deepEqual(parseProxyName('https:web:8443'), { scheme: 'https', name: 'web', port: '8443' });
  for (const wrong of ['', ':80', 'ftp:web:80', 'a:b:c:d', 'https::80'])
    assert.throws(() => parseProxyName(wrong), { code: 400 }, wrong);
});

describe('the proxy of a node', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
    await api.create('/api/v1/nodes', { metadata: { name: 'n1' } });
  });
  after(() => api[Symbol.asyncDispose]());

  test('asks the device, with path and query', async () => {
    const answer = await api.send('GET', '/api/v1/nodes/n1/proxy/stats/summary?only=a%20b');
    assert.deepEqual([answer.code, answer.text], [200, 'n1 /stats/summary?only=a+b\n']);
    assert.equal((await api.send('GET', '/api/v1/nodes/n1:10250/proxy/missing')).code, 404);
    assert.equal((await api.send('GET', '/api/v1/nodes/n1/proxy')).text, 'n1 /?\n');
  });

  test('refuses what is not there', async () => {
    assert.equal((await api.send('GET', '/api/v1/nodes/n2/proxy/metrics')).code, 404);
    assert.equal((await api.send('POST', '/api/v1/nodes/n1/proxy/metrics')).code, 405);
    assert.equal((await api.send('GET', '/api/v1/nodes/n1:22/proxy/')).code, 400);
    const dev = await api.send('GET', '/api/v1/nodes/n1/proxy/metrics', { token: 'dev-token' });
    assert.match(dev.json().message, /cannot get resource "nodes\/proxy"/);
  });
});
