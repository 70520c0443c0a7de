import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../../lib/random.ts';
import { apiVersionOf, type KindDefinition } from '../../../../protocol/kinds/define-kind.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { type ApiFixture, openApi } from './api-fixture.ts';
import { type RandomRequest, randomRequest } from './random-requests.ts';

/** `FLOTILLA_FUZZ_REQUESTS=200000` runs the long form, `FLOTILLA_FUZZ_SEED=n` starts elsewhere. */
const count = Number(process.env.FLOTILLA_FUZZ_REQUESTS ?? 2_000);
const seed = Number(process.env.FLOTILLA_FUZZ_SEED ?? 1);
const atOnce = 4;

test(`whatever is asked, the answer is a clear one, and what was stored is sound (${count} requests)`, async () => {
  await using api = await openApi();
  const random = seededRandom(seed);
  const requests = Array.from({ length: count }, () => randomRequest(random, kinds));
  const codes = new Map<number, number>();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let request = requests.pop(); request; request = requests.pop()) {
        const code = await checkedAnswer(api, request);
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    }),
  );
  assert.equal((await api.send('GET', '/livez')).text, 'ok');
  for (const code of [200, 201, 400, 404, 422])
    assert.ok((codes.get(code) ?? 0) > count / 200, `enough answers ${code}`);
  for (const kind of kinds) await checkStored(api, kind);
});

/** A refusal is a Status with a reason and a message; nothing is the server's own fault. */
async function checkedAnswer(api: ApiFixture, request: RandomRequest): Promise<number> {
  const { method, path, contentType, body, headers } = request;
  const told = `${method} ${path} ${contentType} ${String(body).slice(0, 2_000)}`;
  const answer = await api.send(method, path, {
    headers,
    ...(body === undefined ? {} : { body, contentType }),
  });
  assert.ok(answer.code < 500 || answer.code === 504, `${answer.code} to ${told}: ${answer.text}`);
  if (answer.code < 400) return answer.code;
  const type = String(answer.headers['content-type']);
  if (!type.startsWith('application/json')) return answer.code;
  const status = answer.json();
  assert.equal(status.kind, 'Status', told);
  assert.equal(status.code, answer.code, told);
  assert.ok(status.message?.length > 0, told);
  return answer.code;
}

/** What the server holds, it would take again. */
async function checkStored(api: ApiFixture, kind: KindDefinition): Promise<void> {
  if (!kind.verbs.includes('list')) return;
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${apiVersionOf(kind)}`;
  const list = await api.send('GET', `${root}/${kind.plural}`);
  assert.equal(list.code, 200, list.text);
  if (!kind.verbs.includes('update')) return;
  for (const item of list.json().items) {
    const { namespace, name } = item.metadata;
    const path = `${root}/${namespace === undefined ? '' : `namespaces/${namespace}/`}${kind.plural}/${encodeURIComponent(name)}`;
    const answer = await api.send('PUT', `${path}?dryRun=All&fieldValidation=Strict`, { body: item });
    assert.equal(answer.code, 200, `${path}: ${answer.text}\n${JSON.stringify(item)}`);
  }
}
