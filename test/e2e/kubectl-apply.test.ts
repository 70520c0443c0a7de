import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type KubectlFixture, kubectlIsMissing, openKubectl } from './kubectl-fixture.ts';
import { Cluster } from './support/cluster.ts';
import { until } from './support/programs.ts';

interface Entry {
  manager: string;
  operation: string;
  subresource?: string;
  fieldsV1: Record<string, Record<string, unknown>>;
}

function deployment(
  name: string,
  { replicas = '', containers = '', labels = `{app: ${name}}` } = {},
): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  labels: ${labels}
spec:
  ${replicas === '' ? '' : `replicas: ${replicas}`}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      containers:
        - name: main
          image: nginx:1.27
          ports: [{containerPort: 80}]
${containers}`;
}

const sidecar = '        - {name: side, image: busybox}\n';

describe('kubectl apply --server-side', { skip: await kubectlIsMissing() }, () => {
  let kubectl: KubectlFixture;
  before(async () => {
    kubectl = await openKubectl();
  });
  after(() => kubectl[Symbol.asyncDispose]());

  const serverSide = (config: string, flags = '') => kubectl.ok(`apply --server-side ${flags} -f -`, config);
  const refused = (config: string, flags = '') => kubectl.fails(`apply --server-side ${flags} -f -`, config);

  async function managers(name: string): Promise<Record<string, Entry['fieldsV1']>> {
    const text = await kubectl.ok(
      `get deployment ${name} --show-managed-fields -o jsonpath={.metadata.managedFields}`,
    );
    return Object.fromEntries(
      (JSON.parse(text) as Entry[]).map(({ manager, operation, subresource, fieldsV1 }) => [
        [manager, operation, ...(subresource === undefined ? [] : [subresource])].join(' '),
        fieldsV1,
      ]),
    );
  }

  function path(name: string, jsonPath: string): Promise<string> {
    return kubectl.ok(`get deployment ${name} -o jsonpath={${jsonPath}}`);
  }

  test('creates, changes, and takes away what is applied no more', async () => {
    assert.match(
      await serverSide(deployment('web', { containers: sidecar })),
      /deployment\.apps\/web serverside-applied/,
    );
    assert.equal(await path('web', '.spec.template.spec.containers[*].name'), 'main side');
    await serverSide(deployment('web'));
    assert.equal(await path('web', '.spec.template.spec.containers[*].name'), 'main');
    const version = await path('web', '.metadata.resourceVersion');
    await serverSide(deployment('web'));
    assert.equal(await path('web', '.metadata.resourceVersion'), version);
    assert.doesNotMatch(await kubectl.ok('get deployment web -o yaml'), /managedFields/);
  });

  test('two managers share a Deployment: a conflict names whose, force takes, silence gives up', async () => {
    await serverSide(deployment('shared', { replicas: '2' }), '--field-manager=one');
    const conflict = await refused(deployment('shared', { replicas: '3' }), '--field-manager=two');
    assert.match(conflict, /Apply failed with 1 conflict: conflict with "one": \.spec\.replicas/);
    assert.equal(await path('shared', '.spec.replicas'), '2');

    await serverSide(deployment('shared', { replicas: '3' }), '--field-manager=two --force-conflicts');
    assert.equal(await path('shared', '.spec.replicas'), '3');
    const { 'one Apply': one, 'two Apply': two } = await managers('shared');
    assert.equal(one?.['f:spec']?.['f:replicas'], undefined);
    assert.deepEqual(two?.['f:spec']?.['f:replicas'], {});

    await serverSide(deployment('shared'), '--field-manager=one');
    assert.equal(await path('shared', '.spec.replicas'), '3');
    await serverSide(deployment('shared'), '--field-manager=two');
    assert.equal(await path('shared', '.spec.replicas'), '1', 'nobody owns it any more: the default is back');
  });

  test('who scales owns the replicas, and an applier that leaves them out leaves them alone', async () => {
    await serverSide(deployment('scaled', { replicas: '2' }));
    await kubectl.ok('scale deployment scaled --replicas=5');
    assert.match(
      await refused(deployment('scaled', { replicas: '2' })),
      /conflict with "kubectl" with subresource "scale" using apps\/v1: \.spec\.replicas/,
    );
    await serverSide(deployment('scaled'));
    assert.equal(await path('scaled', '.spec.replicas'), '5');
    assert.deepEqual((await managers('scaled'))['kubectl Update scale'], { 'f:spec': { 'f:replicas': {} } });
  });

  test('takes over from client-side apply without a conflict, and removes what that had applied', async () => {
    await kubectl.ok('apply -f -', deployment('moved', { replicas: '2', containers: sidecar }));
    assert.deepEqual(Object.keys(await managers('moved')), ['kubectl-client-side-apply Update']);
    assert.match(
      await refused(deployment('moved', { replicas: '3' }), '--field-manager=other'),
      /conflict with "kubectl-client-side-apply" using apps\/v1: \.spec\.replicas/,
    );
    await serverSide(deployment('moved', { replicas: '4' }));
    assert.equal(await path('moved', '.spec.replicas'), '4');
    assert.equal(await path('moved', '.spec.template.spec.containers[*].name'), 'main');
    assert.deepEqual(Object.keys(await managers('moved')).sort(), [
      'kubectl Apply',
      'kubectl-last-applied Apply',
    ]);
    await kubectl.ok('apply -f -', deployment('moved', { replicas: '6' }));
    assert.equal(await path('moved', '.spec.replicas'), '6');
  });

  test('keeps what other commands own: label, set image, edit by patch', async () => {
    await serverSide(deployment('busy'), '--field-manager=gitops');
    await kubectl.ok('label deployment busy team=blue');
    await kubectl.ok('set image deployment/busy main=nginx:1.28');
    assert.match(
      await refused(deployment('busy'), '--field-manager=gitops'),
      /conflict with "kubectl-set" using apps\/v1: \.spec\.template\.spec\.containers\[name="main"\]\.image/,
    );
    await serverSide(deployment('busy'), '--field-manager=gitops --force-conflicts');
    assert.equal(await path('busy', '.metadata.labels.team'), 'blue');
    assert.equal(await path('busy', '.spec.template.spec.containers[0].image'), 'nginx:1.27');
    assert.deepEqual((await managers('busy'))['kubectl-label Update'], {
      'f:metadata': { 'f:labels': { 'f:team': {} } },
    });
  });

  test('only tells: dry run and diff', async () => {
    assert.match(
      await serverSide(deployment('dry'), '--dry-run=server'),
      /serverside-applied \(server dry run\)/,
    );
    assert.match(await kubectl.fails('get deployment dry'), /NotFound/);
    await serverSide(deployment('diffed'));
    assert.equal(await kubectl.ok('diff --server-side -f -', deployment('diffed')), '');
    const { code, stdout } = await kubectl.run(
      ['diff', '--server-side', '-f', '-'],
      deployment('diffed', { replicas: '9' }),
    );
    assert.equal(code, 1);
    assert.match(stdout, /^-  replicas: 1\n\+  replicas: 9$/m);
    assert.equal(await path('diffed', '.spec.replicas'), '1');
  });

  test('refuses what the schema does not know, and a container named twice', async () => {
    const unknown = deployment('bad').replace('spec:', 'spec:\n  replicaz: 1');
    assert.match(
      await refused(unknown, '--validate=false'),
      /\.spec\.replicaz: field not declared in schema/,
    );
    const twice = deployment('bad', { containers: '        - {name: main, image: x}\n' });
    assert.match(await refused(twice), /duplicate entries for key \[name="main"\]/);
  });

  test('applies a status through its subresource', async () => {
    await serverSide(deployment('reported'));
    const status = `apiVersion: apps/v1
kind: Deployment
metadata: {name: reported}
status: {conditions: [{type: example.dev/ok, status: "True"}]}
`;
    await serverSide(status, '--subresource=status --field-manager=probe');
    assert.equal(await path('reported', '.status.conditions[0].type'), 'example.dev/ok');
    assert.ok((await managers('reported'))['probe Apply status']);
  });
});

test('beside the running controllers: what they make is not tracked, what they add to an object is', {
  skip: await kubectlIsMissing(),
}, async (context) => {
  const cluster = await Cluster.start(context);
  const applied = ['apply', '--server-side', '-f', '-'];
  const fields = ['--show-managed-fields', '-o', 'jsonpath={.items[*].metadata.managedFields[*].manager}'];
  await cluster.ok(applied, { input: deployment('web', { replicas: '1' }) });
  await until(
    'the revision of the Deployment',
    async () => (await cluster.ok(['get', 'deployments', ...fields])).split(' ').length === 2,
  );
  assert.equal(await cluster.ok(['get', 'deployments', ...fields]), 'kubectl kube-controller-manager');
  await until('a pod', async () => (await cluster.ok(['get', 'pods', '-o', 'name'])) !== '');
  assert.equal(await cluster.ok(['get', 'replicasets,pods', ...fields]), '');
  const version = ['get', 'deployment', 'web', '-o', 'jsonpath={.metadata.annotations}'];
  const annotations = await cluster.ok(version);
  await cluster.ok(applied, { input: deployment('web', { replicas: '2' }) });
  assert.equal(
    await cluster.ok(version),
    annotations,
    'an applier leaves the annotations of controllers alone',
  );
});
