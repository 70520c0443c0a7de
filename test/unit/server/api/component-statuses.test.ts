import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openApi } from './api-fixture.ts';

test('componentstatuses tell how the server’s parts are, when asked', async () => {
  const bus = {
    name: 'bus',
    check() {
      throw new Error('the broker does not listen');
    },
  };
  await using api = await openApi({
    checks: [{ name: 'store', check() {} }, bus, { name: 'other', check() {} }],
  });
  const answer = await api.send('GET', '/api/v1/componentstatuses');
  assert.equal(answer.headers.warning, '299 - "v1 ComponentStatus is deprecated in v1.19+"');
  assert.deepEqual(
    answer
      .json()
      .items.map(({ metadata, conditions }: { metadata: { name: string }; conditions: object[] }) => [
        metadata.name,
        ...conditions,
      ]),
    [
      ['bus', { type: 'Healthy', status: 'False', message: 'the broker does not listen' }],
      ['etcd-0', { type: 'Healthy', status: 'True', message: 'ok' }],
    ],
  );
  assert.equal((await api.send('GET', '/api/v1/componentstatuses/etcd-0')).json().kind, 'ComponentStatus');
  const missing = await api.send('GET', '/api/v1/componentstatuses/none');
  assert.equal(missing.json().message, 'componentstatuses "none" not found');
  assert.equal((await api.send('DELETE', '/api/v1/componentstatuses/etcd-0')).code, 405);
});
