import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ApiFixture, openApi } from './api-fixture.ts';
import { WatchReader } from './watch-reader.ts';

describe('/metrics', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const scrape = async () => (await api.send('GET', '/metrics')).text;
  const labels = (verb: string, scope: string) =>
    `verb="${verb}",dry_run="",group="",version="v1",resource="configmaps",subresource="",scope="${scope}",component="apiserver"`;

  test('is refused to whom no rule allows it', async () => {
    assert.equal((await api.send('GET', '/metrics', { token: 'dev-token' })).code, 403);
    assert.equal((await api.send('GET', '/metrics', { token: null })).code, 401);
    assert.equal((await api.send('POST', '/metrics')).code, 405);
    assert.equal((await api.send('GET', '/metrics/x')).code, 404);
  });

  test('tells requests by verb, resource and code, as kube-apiserver does', async () => {
    const path = '/api/v1/namespaces/default/configmaps';
    await api.create(path, { metadata: { name: 'a' } });
    await api.send('GET', `${path}/a`);
    await api.send('GET', `${path}/missing`);
    await api.send('GET', path);
    const answer = await api.send('GET', '/metrics');
    assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    const { text } = answer;
    for (const line of [
      `apiserver_request_total{${labels('POST', 'namespace')},code="201"} 1`,
      `apiserver_request_total{${labels('GET', 'resource')},code="200"} 1`,
      `apiserver_request_total{${labels('GET', 'resource')},code="404"} 1`,
      `apiserver_request_total{${labels('LIST', 'namespace')},code="200"} 1`,
      `apiserver_request_duration_seconds_count{${labels('GET', 'resource')}} 2`,
      'apiserver_current_inflight_requests{request_kind="readOnly"} 1',
      'apiserver_current_inflight_requests{request_kind="mutating"} 0',
    ]) {
      assert.ok(text.includes(`${line}\n`), `${line} is not in\n${text}`);
    }
  });

  test('tells open watches and the events they were sent', async () => {
    const path = '/api/v1/namespaces/default/configmaps';
    const reader = await WatchReader.open(
      api,
      `${path}?watch=1&resourceVersion=${api.registry.resourceVersion}`,
    );
    await api.create(path, { metadata: { name: 'watched' } });
    await reader.read(1);
    const open = `apiserver_longrunning_requests{${labels('WATCH', 'namespace').replace('dry_run="",', '')}}`;
    const text = await scrape();
    assert.ok(text.includes(`${open} 1\n`), text);
    assert.ok(
      text.includes('apiserver_watch_events_total{group="",version="v1",kind="ConfigMap"} 1\n'),
      text,
    );
    reader.response.destroy();
  });

  test('does not grow by what clients make up', async () => {
    const before = (await scrape()).split('\n').length;
    for (let at = 0; at < 50; at += 1) {
      await api.send('GET', `/apis/made.up/v${at}/things${at}`);
      await api.send('GET', `/made-up-${at}/path`);
      await api.send('GET', `/api/v1/namespaces/default/pods/p/sub${at}`);
    }
    const grown = (await scrape()).split('\n').length - before;
    assert.ok(grown < 100, `${grown} more lines`);
  });
});
