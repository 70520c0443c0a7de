import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { freePort, Running, root, until } from './support/programs.ts';
import { type HttpsAuthority, openHttpsAuthority } from './support/test-authority.ts';

/** Conversion and admission webhooks and policies: the real server, the real kubectl, webhooks over HTTPS. */
describe('webhooks and policies', () => {
  const ending: (() => Promise<void>)[] = [];
  let cluster: Cluster;
  let authority: HttpsAuthority;
  let port: number;
  let webhooks: Running | undefined;

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    authority = await openHttpsAuthority(cluster.directory);
    port = await freePort();
    ending.push(async () => void (await webhooks?.kill('SIGKILL')));
    await cluster.apply(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'hooks', namespace: 'default' },
        spec: { type: 'ExternalName', externalName: 'localhost' },
      }),
    );
    await startWebhooks();
  });
  after(async () => {
    for (const end of ending.reverse()) await end();
  });

  async function startWebhooks(): Promise<void> {
    const { keyFile, certificateFile } = await authority.serve('hooks', ['hooks.default.svc']);
    const program = join(root, 'test/e2e/support/webhook-program.ts');
    webhooks = new Running(process.execPath, [program, String(port), keyFile, certificateFile]);
    await webhooks.saying(/listening/);
  }

  const clientConfig = (path: string) => ({
    service: { name: 'hooks', namespace: 'default', port, path },
    caBundle: authority.caBundle,
  });
  const place = (version: string, name: string, spec: object) =>
    JSON.stringify({ apiVersion: `example.com/${version}`, kind: 'Place', metadata: { name }, spec });
  const read = (kind: string, name: string) => cluster.ok(['get', kind, name, '-o', 'jsonpath={.spec}']);

  test('a custom resource is read, written, listed and watched under each of its versions', async () => {
    const version = (name: string, properties: object) => ({
      name,
      served: true,
      storage: name === 'v1',
      schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } } },
    });
    const text = { type: 'string' };
    await cluster.apply(
      JSON.stringify({
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name: 'places.example.com' },
        spec: {
          group: 'example.com',
          scope: 'Namespaced',
          names: { plural: 'places', kind: 'Place' },
          versions: [
            version('v1', { address: text }),
            version('v2', { host: text, port: { type: 'integer' } }),
          ],
          conversion: {
            strategy: 'Webhook',
            webhook: { clientConfig: clientConfig('/convert'), conversionReviewVersions: ['v1'] },
          },
        },
      }),
    );
    await cluster.ok(['wait', '--for=condition=Established', 'crd/places.example.com']);
    await cluster.apply(place('v1', 'one', { address: 'a:80' }));
    assert.deepEqual(JSON.parse(await read('places.v2.example.com', 'one')), { host: 'a', port: 80 });
    await cluster.apply(place('v2', 'two', { host: 'b', port: 81 }));
    assert.deepEqual(JSON.parse(await read('places.v1.example.com', 'two')), { address: 'b:81' });
    const watching = cluster.background([
      'get',
      'places.v2.example.com',
      '-w',
      '-o',
      'jsonpath={.spec.host}/{.spec.port} ',
    ]);
    ending.push(async () => void (await watching.kill('SIGKILL')));
    await watching.saying(/a\/80 b\/81/);
    await cluster.ok(['patch', 'places.v2.example.com', 'one', '--type=merge', '-p', '{"spec":{"port":82}}']);
    await watching.saying(/a\/82/);
    assert.deepEqual(JSON.parse(await read('places.v1.example.com', 'one')), { address: 'a:82' });
    await watching.kill('SIGKILL');
  });

  test('when the converter is away, only what must be converted fails, and it says why', async () => {
    await webhooks?.kill('SIGKILL');
    assert.deepEqual(JSON.parse(await read('places.v1.example.com', 'one')), { address: 'a:82' });
    const { stderr } = await cluster.kubectl(['get', 'places.v2.example.com', 'one']);
    assert.match(
      stderr,
      /^Error from server: conversion webhook for example\.com\/v1, Kind=Place failed: Post "https:\/\/hooks\.default\.svc:\d+\/convert": dial tcp .*: connect: connection refused$/m,
    );
    await startWebhooks();
    await read('places.v2.example.com', 'one');
  });

  const webhook = (name: string, path: string, rest: object = {}) => ({
    name: `${name}.example.com`,
    clientConfig: clientConfig(path),
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    rules: [
      { operations: ['CREATE', 'UPDATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] },
    ],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } },
    ...rest,
  });
  const configure = (kind: string, ...list: object[]) =>
    cluster.apply(
      JSON.stringify({
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: `${kind}WebhookConfiguration`,
        metadata: { name: 'hooks' },
        webhooks: list,
      }),
    );
  const create = (name: string, ...args: string[]) =>
    cluster.kubectl(['create', 'configmap', name, '--from-literal=a=b', ...args]);

  test('a mutating webhook changes what is created and warns; a validating one refuses in its words', async () => {
    await configure('Mutating', webhook('label', '/label'));
    await configure('Validating', webhook('deny', '/deny'));
    const first = await until('the webhooks are asked', async () => {
      const made = await create('first', '--dry-run=server', '-o', 'jsonpath={.metadata.labels}');
      return made.stdout.includes('owner') && made;
    });
    assert.equal(first.stdout, '{"owner":"kubernetes-admin"}');
    assert.match(first.stderr, /^Warning: first gets an owner$/m);
    const refused = await cluster.kubectl(['create', '-f', '-'], {
      input: JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'second', labels: { forbidden: 'yes' } },
      }),
    });
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^Error from server: error when creating "STDIN": admission webhook "deny\.example\.com" denied the request: it is forbidden by its label$/m,
    );
    assert.equal((await create('elsewhere', '-n', 'kube-public')).code, 0);
    await cluster.ok(['delete', 'mutatingwebhookconfiguration', 'hooks']);
  });

  test('a webhook that is away or hangs stops writes, or lets them pass, as its failurePolicy says', async () => {
    await configure('Validating', webhook('hang', '/hang', { timeoutSeconds: 1, failurePolicy: 'Fail' }));
    const hung = await until('the write is stopped', async () => {
      const made = await create('hung');
      return made.code !== 0 && made;
    });
    assert.match(
      hung.stderr,
      /Internal error occurred: failed calling webhook "hang\.example\.com": failed to call webhook: Post "https:\/\/hooks\.default\.svc:\d+\/hang\?timeout=1s": context deadline exceeded$/m,
    );
    await configure('Validating', webhook('hang', '/hang', { timeoutSeconds: 1, failurePolicy: 'Ignore' }));
    await until('the write passes', async () => (await create('passes')).code === 0);
    await cluster.ok(['delete', 'validatingwebhookconfiguration', 'hooks']);
  });

  test('a policy with parameters denies with the message of Kubernetes', async () => {
    const policy = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: 'replica-limit' },
      spec: {
        paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: ['apps'],
              apiVersions: ['v1'],
              operations: ['CREATE', 'UPDATE'],
              resources: ['deployments'],
            },
          ],
        },
        validations: [
          {
            expression: 'object.spec.replicas <= int(params.data.max)',
            messageExpression: `'at most ' + params.data.max + ' replicas, not ' + string(object.spec.replicas)`,
          },
        ],
      },
    };
    const binding = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: 'replica-limit-here' },
      spec: {
        policyName: 'replica-limit',
        validationActions: ['Deny'],
        paramRef: { name: 'replica-limit', namespace: 'default', parameterNotFoundAction: 'Deny' },
      },
    };
    await cluster.ok(['create', 'configmap', 'replica-limit', '--from-literal=max=3']);
    for (const object of [policy, binding]) await cluster.apply(JSON.stringify(object));
    const deploy = (replicas: number) =>
      cluster.kubectl(
        `create deployment web --image=host --replicas=${replicas} --dry-run=server -o name`.split(' '),
      );
    const denied = await until('the policy is in force', async () => {
      const made = await deploy(4);
      return made.code !== 0 && made;
    });
    assert.match(
      denied.stderr,
      /ValidatingAdmissionPolicy 'replica-limit' with binding 'replica-limit-here' denied request: at most 3 replicas, not 4$/m,
    );
    assert.equal((await deploy(3)).code, 0);
    await cluster.ok(['create', 'deployment', 'web', '--image=host', '--replicas=1']);
    const patch = ['--type=merge', '-p', '{"spec":{"replicas":9}}'];
    const scaled = await cluster.kubectl(['patch', 'deployment', 'web', ...patch]);
    assert.match(scaled.stderr, /denied request: at most 3 replicas, not 9$/m);
  });

  test('a mutating policy changes what is created, and a policy that names no field of its kind is told so', async () => {
    const match = (group: string, resource: string) => ({
      resourceRules: [
        { apiGroups: [group], apiVersions: ['v1'], operations: ['CREATE'], resources: [resource] },
      ],
    });
    const policies = [
      {
        kind: 'MutatingAdmissionPolicy',
        metadata: { name: 'owner' },
        spec: {
          matchConstraints: match('', 'secrets'),
          reinvocationPolicy: 'Never',
          mutations: [
            {
              patchType: 'ApplyConfiguration',
              applyConfiguration: {
                expression:
                  'Object{metadata: Object.metadata{annotations: {"owner": request.userInfo.username}}}',
              },
            },
          ],
        },
      },
      { kind: 'MutatingAdmissionPolicyBinding', metadata: { name: 'owner' }, spec: { policyName: 'owner' } },
      {
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name: 'misspelt' },
        spec: {
          matchConstraints: match('apps', 'deployments'),
          validations: [{ expression: 'object.spec.relicas > 1' }],
        },
      },
    ];
    for (const policy of policies)
      await cluster.apply(JSON.stringify({ apiVersion: 'admissionregistration.k8s.io/v1', ...policy }));
    const create = 'create secret generic s --from-literal=a=b --dry-run=server -o';
    await until('the policy is in force', async () => {
      const made = await cluster.ok([...create.split(' '), 'jsonpath={.metadata.annotations.owner}']);
      return made === 'kubernetes-admin';
    });
    const warning = 'jsonpath={.status.typeChecking.expressionWarnings[0].warning}';
    await until('the misspelt field is told', async () => {
      const told = await cluster.ok(['get', 'validatingadmissionpolicy', 'misspelt', '-o', warning]);
      return told === "apps/v1, Kind=Deployment: ERROR: <input>: undefined field 'relicas'";
    });
    const refused = await cluster.kubectl([
      'patch',
      'validatingadmissionpolicy',
      'misspelt',
      '--type=merge',
      '-p',
      '{"spec":{"validations":[{"expression":"object.spec.replicas >"}]}}',
    ]);
    assert.match(refused.stderr, /spec\.validations\[0\]\.expression: Invalid value: .*compilation failed/);
  });
});
