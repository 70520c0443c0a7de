import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { systemClock } from '../../../../../lib/clock.ts';
import { silentLogger } from '../../../../../lib/log.ts';
import { createMetrics } from '../../../../../lib/metrics.ts';
import { seededRandom } from '../../../../../lib/random.ts';
import { AuditLog } from '../../../../../server/api/audit/audit-log.ts';
import { decideAudit, parseAuditPolicy } from '../../../../../server/api/audit/audit-policy.ts';
import { createAuditor } from '../../../../../server/api/audit/auditor.ts';
import { eventually } from '../../../../support/eventually.ts';
import { ManualClock } from '../../../../support/manual-clock.ts';
import { type Json, openApi } from '../api-fixture.ts';

const policyOf = (rules: string) =>
  parseAuditPolicy(
    `apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n${rules}`,
  );

async function openAudited(rules: string, text = policyOf(rules)) {
  const events: Json[] = [];
  const sink = { write: (line: string) => void events.push(JSON.parse(line)) };
  const auditor = createAuditor({ policy: text, sink, clock: systemClock, random: seededRandom(1) });
  const api = await openApi({ auditor, defaultRoles: true });
  /** The next event of a stage, which is written when the client has its answer already. */
  const next = async (stage = 'ResponseComplete') => {
    await eventually(() => events.some((event) => event.stage === stage), `an event of ${stage}`);
    const at = events.findIndex((event) => event.stage === stage);
    return events.splice(0, at + 1)[at];
  };
  return { api, events, next };
}

const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { key: 'value' } };
const path = '/api/v1/namespaces/default/configmaps';

describe('an audit event', () => {
  it('tells who did what to which object, and how that ended', async () => {
    const { api, next } = await openAudited('- level: Metadata');
    await using _api = api;
    await api.send('POST', `${path}?fieldManager=me`, {
      body: configMap,
      headers: { 'User-Agent': 'test/1' },
    });
    const event = await next();
    assert.deepEqual(event.objectRef, {
      resource: 'configmaps',
      namespace: 'default',
      name: 'a',
      apiVersion: 'v1',
    });
    assert.deepEqual(
      [
        event.verb,
        event.level,
        event.user.username,
        event.userAgent,
        event.responseStatus.code,
        event.requestURI,
      ],
      ['create', 'Metadata', 'admin', 'test/1', 201, `${path}?fieldManager=me`],
    );
    assert.deepEqual(event.user.groups, ['system:masters', 'system:authenticated']);
    assert.deepEqual(event.annotations, {
      'authorization.k8s.io/decision': 'allow',
      'authorization.k8s.io/reason': '',
    });
    assert.match(event.stageTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    assert.equal(event.requestObject, undefined);
  });

  it('holds the bodies only at the levels that say so', async () => {
    const { api, next } = await openAudited(
      '- {level: Metadata, resources: [{group: "", resources: [secrets]}]}\n- {level: Request, verbs: [create]}\n- level: RequestResponse',
    );
    await using _api = api;
    const secret = { ...configMap, kind: 'Secret', data: { key: 'c2VjcmV0' } };
    await api.send('POST', '/api/v1/namespaces/default/secrets', { body: secret });
    assert.ok(!JSON.stringify(await next()).includes('c2VjcmV0'));
    await api.send('POST', path, { body: configMap });
    const created = await next();
    assert.deepEqual([created.requestObject.data, created.responseObject], [{ key: 'value' }, undefined]);
    await api.send('PATCH', `${path}/a`, {
      body: { data: { key: 'new' } },
      contentType: 'application/merge-patch+json',
    });
    const patched = await next();
    assert.deepEqual(
      [patched.requestObject, patched.responseObject.data],
      [{ data: { key: 'new' } }, { key: 'new' }],
    );
    await api.send('GET', path);
    assert.equal((await next()).responseObject.items[0].metadata.name, 'a');
  });

  it('says why somebody was refused, and as whom they acted', async () => {
    const { api, next } = await openAudited('- level: Metadata');
    await using _api = api;
    await api.send('GET', path, { token: 'dev-token' });
    const refused = await next();
    assert.equal(refused.annotations['authorization.k8s.io/decision'], 'forbid');
    assert.deepEqual([refused.responseStatus.code, refused.responseStatus.reason], [403, 'Forbidden']);
    await api.send('GET', path, { headers: { 'Impersonate-User': 'anna' } });
    const acted = await next();
    assert.deepEqual([acted.user.username, acted.impersonatedUser.username], ['admin', 'anna']);
  });

  it('is made for a credential that does not hold, too', async () => {
    const { api, next } = await openAudited('- level: RequestResponse');
    await using _api = api;
    await api.send('GET', path, { token: 'wrong-token' });
    const event = await next();
    assert.deepEqual([event.user.username, event.responseStatus.code], ['', 401]);
    assert.ok(!JSON.stringify(event).includes('wrong-token'));
  });

  it('comes at the start of what runs on, and again at its end', async () => {
    const { api, events, next } = await openAudited('- {level: Metadata, verbs: [watch]}');
    await using _api = api;
    await api.send('GET', `${path}?watch=1&timeoutSeconds=1`);
    const started = await next('ResponseStarted');
    const ended = await next('ResponseComplete');
    assert.equal(started.auditID, ended.auditID);
    assert.deepEqual(events, []);
  });

  it('leaves out what was asked to be left out', async () => {
    const policy = parseAuditPolicy(
      'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitManagedFields: true\nrules: [{level: RequestResponse, omitStages: [RequestReceived]}]',
    );
    const { api, events, next } = await openAudited('', policy);
    await using _api = api;
    await api.send('POST', `${path}?fieldManager=me`, { body: configMap });
    const event = await next();
    assert.equal(event.responseObject.metadata.managedFields, undefined);
    assert.ok(event.responseObject.metadata.uid);
    assert.deepEqual(events, []);
  });

  it('never holds a token', async () => {
    const { api, next } = await openAudited('- level: RequestResponse');
    await using _api = api;
    await api.create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'bot' } });
    await next();
    const answer = await api.send('POST', '/api/v1/namespaces/default/serviceaccounts/bot/token', {
      body: { spec: {} },
    });
    assert.equal(answer.code, 201);
    const event = await next();
    assert.deepEqual([event.requestObject, event.responseObject], [undefined, undefined]);
  });
});

describe('an audit policy', () => {
  const levelOf = (rules: string, request: Partial<Parameters<typeof decideAudit>[1]> = {}) =>
    decideAudit(policyOf(rules), {
      user: { name: 'anna', groups: ['devs'] },
      verb: 'get',
      path: '/x',
      ...request,
    }).level;
  const pods = { group: '', resource: 'pods', subresource: undefined, namespace: 'shop', name: 'web' };

  it('decides by the first rule that fits', () => {
    const rules =
      '- {level: None, users: [bo]}\n- {level: Request, userGroups: [devs], verbs: [create]}\n- level: Metadata';
    assert.equal(levelOf(rules), 'Metadata');
    assert.equal(levelOf(rules, { verb: 'create' }), 'Request');
    assert.equal(levelOf(rules, { user: { name: 'bo', groups: [] } }), 'None');
    assert.equal(levelOf('- {level: Metadata, verbs: [list]}'), 'None');
  });

  it('knows resources, subresources, names and namespaces', () => {
    const rule = (resources: string, more = '') =>
      `- {level: Request, resources: [{group: "", resources: [${resources}]${more}}]}`;
    const log = { ...pods, subresource: 'log' };
    assert.equal(levelOf(rule('pods'), { resource: pods }), 'Request');
    assert.equal(levelOf(rule('pods'), { resource: log }), 'None');
    for (const pattern of ['"pods/log"', '"pods/*"', '"*/log"', '"*"']) {
      assert.equal(levelOf(rule(pattern), { resource: log }), 'Request', pattern);
    }
    assert.equal(levelOf(rule('pods', ', resourceNames: [other]'), { resource: pods }), 'None');
    assert.equal(levelOf(rule('pods'), { resource: { ...pods, group: 'apps' } }), 'None');
    assert.equal(levelOf('- {level: Request, namespaces: [shop]}', { resource: pods }), 'Request');
    assert.equal(levelOf('- {level: Request, namespaces: [shop]}'), 'None');
  });

  it('knows other paths', () => {
    const rule = '- {level: Metadata, nonResourceURLs: ["/healthz*", "/version"]}';
    assert.equal(levelOf(rule, { path: '/healthz/store' }), 'Metadata');
    assert.equal(levelOf(rule, { path: '/versions' }), 'None');
    assert.equal(levelOf(rule, { path: '/version', resource: pods }), 'None');
  });

  it('is refused with the name of what is wrong', () => {
    assert.throws(() => policyOf('- {level: All}'), /rules\.0\.level/);
    assert.throws(() => policyOf('- {level: None, user: [a]}'), /rules\.0\.user/);
    assert.throws(
      () => policyOf('- {level: None, namespaces: [a], nonResourceURLs: ["/x"]}'),
      /non-resource/,
    );
  });
});

describe('the audit log', () => {
  async function openLog(options: { bytesMax?: number; backupsMax?: number; ageMaxMs?: number } = {}) {
    const directory = await mkdtemp(join(tmpdir(), 'flotilla-audit-'));
    const clock = new ManualClock();
    const path = join(directory, 'audit.log');
    const metrics = createMetrics();
    const open = () =>
      AuditLog.open({
        path,
        bytesMax: 1000,
        backupsMax: 0,
        ageMaxMs: 0,
        clock,
        log: silentLogger,
        metrics,
        ...options,
      });
    const log = await open();
    const files = () => readdirSync(directory).sort();
    return { directory, path, clock, log, files, metrics, remove: () => rm(directory, { recursive: true }) };
  }

  it('holds every line, in order, however many come at once', async () => {
    const { path, log, remove } = await openLog({ bytesMax: 1_000_000 });
    for (let index = 0; index < 1000; index++) log.write(String(index));
    await log[Symbol.asyncDispose]();
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    assert.deepEqual(
      lines,
      Array.from({ length: 1000 }, (_, index) => String(index)),
    );
    await remove();
  });

  it('is turned over when full, and keeps so many old files', async () => {
    const { clock, log, files, remove } = await openLog({ bytesMax: 100, backupsMax: 2 });
    for (let index = 0; index < 5; index++) {
      log.write('x'.repeat(80));
      await eventually(() => files().length === Math.min(index + 1, 3), `file ${index}`);
      await clock.advance(1000);
    }
    await log[Symbol.asyncDispose]();
    const names = files();
    assert.equal(names.length, 3);
    assert.match(names[0] ?? '', /^audit-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log$/);
    await remove();
  });

  it('loses lines rather than memory when the disk does not take them', async () => {
    const { log, metrics, remove } = await openLog({ bytesMax: 1e9 });
    const line = 'x'.repeat(1024 * 1024);
    for (let index = 0; index < 40; index++) log.write(line);
    assert.match(await metrics.text(), /^apiserver_audit_error_total\{plugin="log"\} [1-9]/m);
    await log[Symbol.asyncDispose]();
    await remove();
  });
});
