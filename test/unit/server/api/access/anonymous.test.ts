import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openApi } from '../api-fixture.ts';

test('requests without a credential are refused unless a setting takes them', async () => {
  await using api = await openApi();
  assert.equal((await api.send('GET', '/livez', { token: null })).code, 401);
});

test('anonymous requests may do what roles give to system:unauthenticated, and no more', async () => {
  const anonymous = { enabled: true, paths: [] };
  await using api = await openApi({ defaultRoles: true, authentication: { issuers: [], anonymous } });
  assert.equal((await api.send('GET', '/version', { token: null })).code, 200);
  const refused = await api.send('GET', '/api/v1/namespaces/default/pods', { token: null });
  assert.equal(refused.code, 403);
  assert.match(refused.text, /User \\"system:anonymous\\" cannot list resource \\"pods\\"/);
  assert.equal((await api.send('GET', '/version', { token: 'wrong' })).code, 401);
});

test('anonymous requests may be taken for some paths only', async () => {
  const anonymous = { enabled: true, paths: ['/livez'] };
  await using api = await openApi({ defaultRoles: true, authentication: { issuers: [], anonymous } });
  assert.equal((await api.send('GET', '/livez', { token: null })).code, 200);
  assert.equal((await api.send('GET', '/readyz', { token: null })).code, 401);
});
