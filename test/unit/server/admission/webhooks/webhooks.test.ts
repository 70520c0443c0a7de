import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { MutatingWebhook } from '../../../../../protocol/generated/models.ts';
import { configMapKind } from '../../../../../protocol/kinds/config-map.ts';
import type { KubernetesObject } from '../../../../../protocol/kinds/define-kind.ts';
import { deploymentKind } from '../../../../../protocol/kinds/deployment.ts';
import { horizontalPodAutoscalerKind } from '../../../../../protocol/kinds/horizontal-pod-autoscaler.ts';
import { mutatingWebhookConfigurationKind } from '../../../../../protocol/kinds/mutating-webhook-configuration.ts';
import { namespaceKind } from '../../../../../protocol/kinds/namespace.ts';
import { podKind } from '../../../../../protocol/kinds/pod.ts';
import { validatingWebhookConfigurationKind } from '../../../../../protocol/kinds/validating-webhook-configuration.ts';
import { StatusError } from '../../../../../protocol/status.ts';
import { mutatingWebhooks } from '../../../../../server/admission/webhooks/mutating-webhooks.ts';
import { validatingWebhooks } from '../../../../../server/admission/webhooks/validating-webhooks.ts';
import { startWebhook, type WebhookServer } from '../../../../support/webhook-server.ts';
import { type AdmissionFixture, openAdmission, pod } from '../admission-fixture.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- reviews as tests poke in them
type Json = any;
type Answer = (request: Json, path: string) => object;

const allow: Answer = () => ({ allowed: true });

describe('admission webhooks', () => {
  let server: WebhookServer;
  let answer: Answer = allow;
  const asked: { path: string; request: Json }[] = [];

  before(async () => {
    server = await startWebhook((body, path) => {
      const { apiVersion, kind, request } = body as Json;
      asked.push({ path, request });
      return { apiVersion, kind, response: { uid: request.uid, ...answer(request, path) } };
    });
  });
  after(() => server.stop());
  beforeEach(() => {
    asked.length = 0;
    answer = allow;
  });

  const patched = (...operations: object[]) => ({
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
  });

  const rule = (resources: string[], rest: object = {}) => ({
    operations: ['*'],
    apiGroups: ['*'],
    apiVersions: ['*'],
    resources,
    ...rest,
  });

  function hook(name: string, rest: Partial<MutatingWebhook> = {}): MutatingWebhook {
    return {
      name: `${name}.example.com`,
      clientConfig: { url: `${server.url}/${name}`, caBundle: server.caBundle },
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      rules: [rule(['configmaps'])],
      ...rest,
    };
  }

  async function open(
    { mutating = [], validating = [] }: { mutating?: MutatingWebhook[]; validating?: MutatingWebhook[] },
    may?: () => Promise<boolean>,
  ): Promise<AdmissionFixture> {
    const plugins = [mutatingWebhooks, validatingWebhooks];
    const fixture = await openAdmission({ plugins, ...(may ? { may } : {}) });
    const metadata = { name: 'hooks' };
    if (mutating.length > 0)
      await fixture.createSeen(mutatingWebhookConfigurationKind, { metadata, webhooks: mutating });
    if (validating.length > 0)
      await fixture.createSeen(validatingWebhookConfigurationKind, { metadata, webhooks: validating });
    return fixture;
  }

  const configMap = (name: string, rest: object = {}) => ({
    metadata: { name, namespace: 'default' },
    ...rest,
  });

  async function refusal(written: Promise<KubernetesObject>) {
    const error: unknown = await written.catch((error: unknown) => error);
    assert.ok(error instanceof StatusError, String(error));
    const { code, message, reason } = error.toStatus();
    return { code, message: message?.replace(/127\.0\.0\.1:\d+/g, 'HOST'), reason };
  }

  test('a webhook learns who does what to which object, and its warnings reach the client', async () => {
    await using fixture = await open({ validating: [hook('look')] });
    const { registry, asClient } = fixture;
    answer = () => ({ allowed: true, warnings: ['careful'], auditAnnotations: { why: 'because' } });
    const noted: string[] = [];
    const annotate = (key: string, value: string) => void noted.push(`${key}=${value}`);
    const client = { ...asClient, annotate, dryRun: true };
    await registry.create(configMapKind, configMap('a', { data: { k: 'v' } }), client);
    const [{ path, request }] = asked as [{ path: string; request: Json }];
    assert.equal(path, '/look?timeout=10s');
    const { uid, object, ...rest } = request;
    assert.match(uid, /^[0-9a-f-]{36}$/);
    assert.deepEqual([object.kind, object.apiVersion, object.data], ['ConfigMap', 'v1', { k: 'v' }]);
    assert.deepEqual(rest, {
      kind: { group: '', version: 'v1', kind: 'ConfigMap' },
      resource: { group: '', version: 'v1', resource: 'configmaps' },
      requestKind: { group: '', version: 'v1', kind: 'ConfigMap' },
      requestResource: { group: '', version: 'v1', resource: 'configmaps' },
      name: 'a',
      namespace: 'default',
      operation: 'CREATE',
      userInfo: { username: 'dev', groups: [] },
      oldObject: null,
      dryRun: true,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', dryRun: ['All'] },
    });
    assert.deepEqual(fixture.warnings, ['careful']);
    assert.deepEqual(noted, ['look.example.com/why=because']);
  });

  test('updates and deletions show the old object', async () => {
    await using fixture = await open({ validating: [hook('look')] });
    const { registry } = fixture;
    await registry.create(configMapKind, configMap('a', { data: { k: '1' } }));
    await registry.mutate(configMapKind, { namespace: 'default', name: 'a' }, (draft) => {
      draft.data = { k: '2' };
    });
    await registry.delete(configMapKind, { namespace: 'default', name: 'a' });
    const seen = asked.map(({ request }) => [
      request.operation,
      request.object?.data?.k,
      request.oldObject?.data?.k,
    ]);
    assert.deepEqual(seen, [
      ['CREATE', '1', undefined],
      ['UPDATE', '2', '1'],
      ['DELETE', undefined, '2'],
    ]);
  });

  test('a denial is told with the words, reason and code of the webhook', async () => {
    await using fixture = await open({ validating: [hook('no')] });
    const { registry } = fixture;
    const denied = (status?: object) => {
      answer = () => ({ allowed: false, ...(status ? { status } : {}) });
      return refusal(registry.create(configMapKind, configMap('a')));
    };
    const by = 'admission webhook "no.example.com" denied the request';
    assert.deepEqual(await denied({ message: 'not here', code: 409, reason: 'Conflict' }), {
      code: 409,
      message: `${by}: not here`,
      reason: 'Conflict',
    });
    assert.deepEqual(await denied({ reason: 'Forbidden', code: 403 }), {
      code: 403,
      message: `${by}: Forbidden`,
      reason: 'Forbidden',
    });
    assert.deepEqual(await denied(), { code: 400, message: `${by} without explanation`, reason: undefined });
    assert.deepEqual(await denied({ message: 'x', code: 200 }), {
      code: 400,
      message: `${by}: x`,
      reason: undefined,
    });
  });

  test('webhooks change the object one after the other, and the rules of the kind have the last word', async () => {
    const mutating = [hook('first'), hook('second')];
    await using fixture = await open({ mutating, validating: [hook('look')] });
    const { registry } = fixture;
    answer = ({ object }, path) => {
      if (path.startsWith('/first')) return patched({ op: 'add', path: '/data', value: { a: '1' } });
      if (path.startsWith('/second'))
        return patched({ op: 'add', path: '/data/b', value: `after ${object.data.a}` });
      return { allowed: true };
    };
    const made = await registry.create(configMapKind, configMap('a'));
    assert.deepEqual(made.data, { a: '1', b: 'after 1' });
    assert.deepEqual(asked.at(-1)?.request.object.data, made.data);
    answer = (_request, path) =>
      path.startsWith('/first')
        ? patched({ op: 'add', path: '/data', value: { 'no/key': 'x' } })
        : { allowed: true };
    const { code, message } = await refusal(registry.create(configMapKind, configMap('b')));
    assert.equal(code, 422);
    assert.match(message ?? '', /data\[no\/key\]: Invalid value/);
    answer = (_request, path) =>
      path.startsWith('/first') ? patched({ op: 'add', path: '/data', value: 7 }) : { allowed: true };
    assert.equal((await refusal(registry.create(configMapKind, configMap('c')))).code, 500);
  });

  test('a webhook that wants it is asked again about what others changed after it, once', async () => {
    const mutating = [hook('early', { reinvocationPolicy: 'IfNeeded' }), hook('never'), hook('late')];
    await using fixture = await open({ mutating });
    answer = (_request, path) =>
      path.startsWith('/late')
        ? patched({ op: 'add', path: '/data', value: { late: 'x' } })
        : { allowed: true };
    await fixture.registry.create(configMapKind, configMap('a'));
    const order = asked.map(({ path }) => path.replace(/\?.*/, ''));
    assert.deepEqual(order, ['/early', '/never', '/late', '/early']);
    assert.deepEqual(asked.at(-1)?.request.object.data, { late: 'x' });
  });

  test('a webhook that fails stops the write or does not, as its failurePolicy says', async () => {
    const away = { url: 'https://127.0.0.1:1/away', caBundle: server.caBundle };
    const ignored = hook('ignored', { clientConfig: away, failurePolicy: 'Ignore' });
    await using lenient = await open({ mutating: [ignored], validating: [ignored] });
    await lenient.registry.create(configMapKind, configMap('a'));
    const fatal = hook('fatal', { clientConfig: away, timeoutSeconds: 3 });
    await using strict = await open({ validating: [fatal] });
    assert.deepEqual(await refusal(strict.registry.create(configMapKind, configMap('a'))), {
      code: 500,
      message:
        'Internal error occurred: failed calling webhook "fatal.example.com": failed to call webhook: Post "https://HOST/away?timeout=3s": dial tcp HOST: connect: connection refused',
      reason: 'InternalError',
    });
    await strict.registry.create(podKind, pod('a'));
  });

  test('an answer that makes no sense is a failure of the webhook', async () => {
    await using fixture = await open({ mutating: [hook('odd')] });
    const words = async (wrong: object) => {
      answer = () => ({ allowed: true, ...wrong });
      const { message } = await refusal(fixture.registry.create(configMapKind, configMap('a')));
      return message?.replace(/.*received invalid webhook response: /, '').replace(/"[0-9a-f-]{36}"/, 'UID');
    };
    assert.equal(await words({ uid: 'other' }), 'expected response.uid=UID, got "other"');
    assert.equal(
      await words({ patch: 'W10=' }),
      'webhook returned response.patch but not response.patchType',
    );
    assert.equal(
      await words({ patchType: 'JSONPatch' }),
      'webhook returned response.patchType but not response.patch',
    );
    assert.equal(
      await words({ patch: 'W10=', patchType: 'Merge' }),
      'webhook returned invalid response.patchType of "Merge"',
    );
    assert.match(
      (await words({ patch: 'W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL3gifV0=', patchType: 'JSONPatch' })) ?? '',
      /^Internal error occurred: /,
    );
  });

  test('rules, scope and selectors say what a webhook is asked about', async () => {
    const asks = async (
      rest: Partial<MutatingWebhook>,
      write: (fixture: AdmissionFixture) => Promise<unknown>,
    ) => {
      await using fixture = await open({ validating: [hook('pick', rest)] });
      asked.length = 0;
      await write(fixture);
      return asked.length;
    };
    const create = ({ registry }: AdmissionFixture) =>
      registry.create(configMapKind, {
        metadata: { name: 'a', namespace: 'default', labels: { tier: 'web' } },
      });
    assert.equal(await asks({}, create), 1);
    assert.equal(await asks({ rules: [rule(['*'])] }, create), 1);
    assert.equal(await asks({ rules: [rule(['*/status'])] }, create), 0);
    assert.equal(await asks({ rules: [rule(['pods'])] }, create), 0);
    assert.equal(await asks({ rules: [rule(['configmaps'], { operations: ['DELETE'] })] }, create), 0);
    assert.equal(await asks({ rules: [rule(['configmaps'], { apiGroups: ['apps'] })] }, create), 0);
    assert.equal(await asks({ rules: [rule(['*'], { scope: 'Cluster' })] }, create), 0);
    assert.equal(await asks({ rules: [rule(['*'], { scope: 'Namespaced' })] }, create), 1);
    const selector = (value: string) => ({ matchLabels: { tier: value } });
    assert.equal(await asks({ objectSelector: selector('web') }, create), 1);
    assert.equal(await asks({ objectSelector: selector('db') }, create), 0);
    const inNamespace = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } } };
    assert.equal(await asks(inNamespace, create), 1);
    const elsewhere = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'other' } } };
    assert.equal(await asks(elsewhere, create), 0);
    const createNamespace = ({ registry }: AdmissionFixture) =>
      registry.create(namespaceKind, { metadata: { name: 'new', labels: { tier: 'web' } } });
    const labelled = { rules: [rule(['namespaces'])], namespaceSelector: selector('web') };
    assert.equal(await asks(labelled, createNamespace), 1);
    assert.equal(await asks({ ...labelled, namespaceSelector: selector('db') }, createNamespace), 0);
  });

  test('webhook configurations themselves are never asked about', async () => {
    answer = () => ({ allowed: false });
    await using fixture = await open({ validating: [hook('all', { rules: [rule(['*'])] })] });
    await fixture.registry.delete(validatingWebhookConfigurationKind, { name: 'hooks' });
  });

  test('matchConditions narrow what a webhook is asked about; one that fails counts as its failurePolicy says', async () => {
    const when = (expression: string, rest: object = {}) =>
      hook('when', { matchConditions: [{ name: 'c', expression }], ...rest });
    const tell = async (webhook: MutatingWebhook, may = async () => true) => {
      await using fixture = await open({ validating: [webhook] }, may);
      asked.length = 0;
      const { registry, asClient } = fixture;
      const written = registry.create(configMapKind, configMap('a', { data: { n: '1' } }), asClient);
      const failed = await written.then(
        () => undefined,
        ({ message }: Error) => message,
      );
      return failed ?? asked.length;
    };
    assert.equal(await tell(when('object.data.n == "1" && request.userInfo.username == "dev"')), 1);
    assert.equal(await tell(when('request.operation == "UPDATE" || oldObject != null')), 0);
    assert.equal(await tell(when('object.data.missing == "1"', { failurePolicy: 'Ignore' })), 0);
    assert.equal(
      await tell(when('object.data.missing == "1"')),
      `configmaps "a" is forbidden: expression 'object.data.missing == "1"' resulted in error: no such key: missing`,
    );
    const breaks =
      'authorizer.group("").resource("configmaps").namespace("default").check("break").allowed()';
    assert.equal(await tell(when(`!${breaks}`)), 0);
    assert.equal(await tell(when(`!${breaks}`), async () => false), 1);
    assert.equal(await tell(when('!authorizer.requestResource.check("create").allowed()')), 0);
  });

  test('a rule for one version also means the others, unless matchPolicy is Exact', async () => {
    const ofV1 = [rule(['horizontalpodautoscalers'], { apiGroups: ['autoscaling'], apiVersions: ['v1'] })];
    const scaler = {
      metadata: { name: 'a', namespace: 'default' },
      spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'a' } },
    };
    await using loose = await open({ mutating: [hook('loose', { rules: ofV1 })] });
    answer = () => patched({ op: 'add', path: '/spec/targetCPUUtilizationPercentage', value: 70 });
    const made = await loose.registry.create(horizontalPodAutoscalerKind, scaler);
    assert.deepEqual(made.spec?.metrics?.[0]?.resource?.target, {
      type: 'Utilization',
      averageUtilization: 70,
    });
    const [{ request }] = asked as [{ path: string; request: Json }];
    assert.deepEqual([request.kind.version, request.requestKind.version], ['v1', 'v2']);
    assert.equal(request.object.apiVersion, 'autoscaling/v1');
    asked.length = 0;
    await using exact = await open({ mutating: [hook('exact', { rules: ofV1, matchPolicy: 'Exact' })] });
    await exact.registry.create(horizontalPodAutoscalerKind, scaler);
    assert.equal(asked.length, 0);
  });

  test('through scale they see a Scale, and what they make of it is kept', async () => {
    const rules = [rule(['deployments/scale'])];
    await using fixture = await open({
      mutating: [hook('fewer', { rules })],
      validating: [hook('look', { rules })],
    });
    const { registry, asClient } = fixture;
    const metadata = { name: 'a', namespace: 'default' };
    const spec = {
      selector: { matchLabels: { app: 'a' } },
      template: { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'a', image: 'a' }] } },
    };
    await registry.create(deploymentKind, { metadata, spec });
    answer = (_request, path) =>
      path.startsWith('/fewer')
        ? patched({ op: 'replace', path: '/spec/replicas', value: 3 })
        : { allowed: true };
    const changed = await registry.mutate(
      deploymentKind,
      metadata,
      (draft) => void ((draft.spec as Json).replicas = 9),
      { ...asClient, subresource: 'scale' },
    );
    assert.equal(changed.spec?.replicas, 3);
    const [first, second] = asked.map(({ request }) => request);
    assert.deepEqual(first.kind, { group: 'autoscaling', version: 'v1', kind: 'Scale' });
    assert.deepEqual(first.resource, { group: 'apps', version: 'v1', resource: 'deployments' });
    assert.equal(first.subResource, 'scale');
    assert.deepEqual(first.object.spec, { replicas: 9 });
    assert.deepEqual(first.oldObject.spec, { replicas: 1 });
    assert.equal(first.object.status.selector, 'app=a');
    assert.deepEqual(second.object.spec, { replicas: 3 });
  });
});
