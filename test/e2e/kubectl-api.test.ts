import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { type KubectlFixture, kubectlIsMissing, openKubectl, scriptIsMissing } from './kubectl-fixture.ts';

const noTerminal = await scriptIsMissing();

function deployment({ name = 'web', image = 'nginx:1.27', extra = '' } = {}): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  labels: {app: ${name}}
spec:
  replicas: 2
${extra}  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      containers:
        - name: web
          image: ${image}
          ports: [{containerPort: 80}]
`;
}

function pod(name: string): string {
  return `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  nodeName: n1
  containers: [{name: main, image: busybox}]
`;
}

function readLines(child: ChildProcess): AsyncIterator<string, undefined> {
  assert.ok(child.stdout);
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
}

describe('an unmodified kubectl', { skip: await kubectlIsMissing() }, () => {
  let kubectl: KubectlFixture;
  before(async () => {
    kubectl = await openKubectl();
  });
  after(() => kubectl[Symbol.asyncDispose]());

  test('finds its way: version, api-resources, api-versions, cluster-info', async () => {
    assert.match(await kubectl.ok('version'), /Server Version: v1\.36\.0\+flotilla-/);
    assert.match(await kubectl.ok('api-resources'), /^deployments +deploy +apps\/v1 +true +Deployment$/m);
    const versions = (await kubectl.ok('api-versions')).trim().split('\n');
    for (const version of ['apps/v1', 'coordination.k8s.io/v1', 'v1']) assert.ok(versions.includes(version));
    assert.match(await kubectl.ok('cluster-info'), /control plane.* is running at .*https:\/\/127\.0\.0\.1/);
    assert.equal(await kubectl.ok('get --raw /readyz'), 'ok');
  });

  test('applies, applies again without a change, and applies a change', async () => {
    assert.equal(await kubectl.ok('apply -f -', deployment()), 'deployment.apps/web created\n');
    assert.equal(await kubectl.ok('apply -f -', deployment()), 'deployment.apps/web unchanged\n');
    const changed = deployment({ image: 'nginx:1.28' });
    assert.equal(
      await kubectl.ok('apply --dry-run=server -f -', changed),
      'deployment.apps/web configured (server dry run)\n',
    );
    assert.equal(
      await kubectl.ok('get deploy web -o jsonpath={.spec.template.spec.containers[0].image}'),
      'nginx:1.27',
    );
    assert.equal(await kubectl.ok('apply -f -', changed), 'deployment.apps/web configured\n');
    const ports = await kubectl.ok('get deploy web -o jsonpath={.spec.template.spec.containers[0]}');
    assert.deepEqual(JSON.parse(ports).ports, [{ containerPort: 80, protocol: 'TCP' }]);
  });

  test('diffs against what the server would make of it', async () => {
    writeFileSync(join(kubectl.directory, 'changed.yaml'), deployment({ image: 'nginx:1.29' }));
    const { code, stdout } = await kubectl.run(['diff', '-f', 'changed.yaml']);
    assert.equal(code, 1);
    const changes = stdout.split('\n').filter((line) => /^[-+] /.test(line));
    assert.deepEqual(
      changes.map((line) => line.trim().replace(/ +/g, ' ')),
      ['- generation: 2', '+ generation: 3', '- - image: nginx:1.28', '+ - image: nginx:1.29'],
    );
  });

  test('gets in every form', async () => {
    assert.match(
      await kubectl.ok('get deploy'),
      /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +0\/2 +0 +0 +\d+s\n$/,
    );
    assert.match(
      await kubectl.ok('get deploy -o wide'),
      /CONTAINERS +IMAGES +SELECTOR\n.* web +nginx:1\.28 +app=web\n$/,
    );
    assert.equal(await kubectl.ok('get deploy -o name'), 'deployment.apps/web\n');
    assert.match(
      await kubectl.ok('get deploy web -o yaml'),
      /^apiVersion: apps\/v1\nkind: Deployment\nmetadata:\n/,
    );
    const list = JSON.parse(await kubectl.ok('get deploy,ns -o json'));
    assert.deepEqual(
      list.items.map(({ kind }: { kind: string }) => kind),
      ['Deployment', 'Namespace', 'Namespace'],
    );
    assert.equal(
      await kubectl.ok('get deploy -o custom-columns=N:.metadata.name,R:.spec.replicas'),
      'N     R\nweb   2\n',
    );
    assert.match(await kubectl.ok('get deploy -A -l app=web,x!=y --sort-by=.metadata.name'), /default +web/);
    assert.match(await kubectl.ok('get ns default --show-labels'), /kubernetes\.io\/metadata\.name=default/);
    assert.match(await kubectl.ok('describe deploy web'), /Image: +nginx:1\.28/);
  });

  test('labels, annotates, patches in three ways, scales', async () => {
    assert.equal(await kubectl.ok('label deploy web tier=front'), 'deployment.apps/web labeled\n');
    assert.equal(await kubectl.ok('annotate deploy web note=x'), 'deployment.apps/web annotated\n');
    await kubectl.ok(
      'patch deploy web -p {"spec":{"template":{"spec":{"containers":[{"name":"side","image":"b"}]}}}}',
    );
    await kubectl.ok('patch deploy web --type=merge -p {"spec":{"replicas":4}}');
    await kubectl.ok('patch deploy web --type=json -p [{"op":"remove","path":"/metadata/annotations/note"}]');
    const { metadata, spec } = JSON.parse(await kubectl.ok('get deploy web -o json'));
    assert.deepEqual(
      [metadata.labels.tier, metadata.annotations.note, spec.replicas],
      ['front', undefined, 4],
    );
    assert.deepEqual(
      spec.template.spec.containers.map(({ name, image }: { name: string; image: string }) => [name, image]),
      [
        ['side', 'b'],
        ['web', 'nginx:1.28'],
      ],
    );
    assert.equal(await kubectl.ok('scale deploy web --replicas 5'), 'deployment.apps/web scaled\n');
    assert.equal(await kubectl.ok('get deploy web -o jsonpath={.spec.replicas}'), '5');
    assert.match(await kubectl.ok('set image deploy/web side=c'), /image updated/);
    assert.match(await kubectl.ok('rollout restart deploy/web'), /restarted/);
  });

  test('watches while it happens', async () => {
    const map = (data: string) =>
      `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"watched","namespace":"kube-system"},"data":${data}}`;
    await kubectl.ok('apply -f -', map('{}'));
    const child = kubectl.start(['get', 'configmaps', '-w', '--no-headers', '-n', 'kube-system']);
    const lines = readLines(child);
    assert.match((await lines.next()).value ?? '', /^watched +0 /);
    await kubectl.ok('apply -f -', map('{"a":"b"}'));
    assert.match((await lines.next()).value ?? '', /^watched +1 /);
    child.kill();
  });

  test('explains fields', async () => {
    assert.match(
      await kubectl.ok('explain pod.spec.containers'),
      /FIELD: containers <\[\]Container>[^]*\n {2}image\t<string>/,
    );
    assert.match(await kubectl.ok('explain deploy.spec.replicas'), /FIELD: replicas <integer>/);
    assert.doesNotMatch(await kubectl.ok('explain deploy.spec'), /<no description>/);
    assert.match(
      await kubectl.ok('explain cm --recursive'),
      / {2}metadata\t<ObjectMeta>\n {4}annotations\t<map\[string\]string>/,
    );
    assert.match(await kubectl.fails('explain pod.spec.nothing'), /field "nothing" does not exist/);
  });

  test('shows its usual errors', async () => {
    const typo = deployment({ name: 'typo', extra: '  foo: 1\n' });
    assert.equal(
      await kubectl.fails('create -f -', typo),
      'Error from server (BadRequest): error when creating "STDIN": Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.foo"\n',
    );
    assert.match(await kubectl.fails('apply -f -', typo), /strict decoding error: unknown field "spec\.foo"/);
    assert.match(
      (await kubectl.run(['create', '--validate=warn', '--dry-run=server', '-f', '-'], typo)).stderr,
      /^Warning: unknown field "spec\.foo"$/m,
    );
    assert.match(
      await kubectl.fails('apply -f -', deployment({ image: 'nginx', extra: '  foo: 1\n' })),
      /unknown field "spec\.foo"/,
    );
    assert.equal(
      await kubectl.fails('get pod nothing'),
      'Error from server (NotFound): pods "nothing" not found\n',
    );
    assert.match(await kubectl.fails('get nonsense'), /the server doesn't have a resource type "nonsense"/);
    assert.match(
      await kubectl.fails('create -f -', deployment()),
      /AlreadyExists.*deployments\.apps "web" already exists/,
    );
    assert.match(
      await kubectl.fails('apply -f -', 'kind: Deployment\n  apiVersion: [v1\n'),
      /error parsing STDIN|error converting YAML/,
    );
    assert.match(
      await kubectl.fails('apply -f -', deployment({ name: 'Web_1' })),
      /The Deployment "Web_1" is invalid: metadata\.name: Invalid value/,
    );
    assert.match(await kubectl.fails('get pods --field-selector=foo=bar'), /field label not supported: foo/);
  });

  test('is told when an object is too large', async () => {
    const big = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'big' },
      data: { a: 'x'.repeat(3 * 1024 * 1024) },
    };
    assert.match(
      await kubectl.fails('create -f -', JSON.stringify(big)),
      /RequestEntityTooLarge|Request entity too large: limit is 3145728/,
    );
    assert.match(await kubectl.fails('get cm big'), /not found/);
  });

  test('reads and follows logs', async () => {
    await kubectl.ok('apply -f -', pod('logger'));
    kubectl.api.podStreams.log = async function* ({ follow }) {
      yield Buffer.from('one\n');
      if (follow) yield Buffer.from('two\n');
    };
    assert.equal(await kubectl.ok('logs logger'), 'one\n');
    assert.equal(await kubectl.ok('logs -f logger --tail=5 --timestamps'), 'one\ntwo\n');
    const { tailLines, timestamps, follow } = kubectl.api.podStreams.logRequests.at(-1) ?? {};
    assert.deepEqual([tailLines, timestamps, follow], [5, true, true]);
    assert.match(await kubectl.fails('logs logger -c nope'), /container nope is not valid for pod logger/);
  });

  test('executes with output, input and exit code', async () => {
    await kubectl.ok('apply -f -', pod('shell'));
    assert.equal(await kubectl.ok('exec shell -- echo hello'), 'hello\n');
    assert.equal(await kubectl.ok('exec -i shell -- cat', 'typed\n'), 'typed\n');
    const { code, stderr } = await kubectl.run(['exec', 'shell', '--', 'exit', '3']);
    assert.equal(code, 3);
    assert.match(stderr, /leaving\ncommand terminated with exit code 3/);
    assert.match(await kubectl.fails('exec nothing -- true'), /pods "nothing" not found/);
  });

  test('executes with a terminal', { skip: noTerminal }, async () => {
    await kubectl.ok('apply -f -', pod('terminal'));
    const result = await kubectl.terminal('exec -it terminal -- size 1');
    assert.match(result, /^100x30/m);
    assert.deepEqual(kubectl.api.podStreams.execRequests.at(-1)?.tty, true);
  });

  test('creates by its generators, which send protobuf since 1.32', async () => {
    assert.equal(await kubectl.ok('create namespace made'), 'namespace/made created\n');
    await kubectl.ok('create configmap made -n made --from-literal=a=b');
    await kubectl.ok('create secret generic made -n made --from-literal=key=value');
    await kubectl.ok('create serviceaccount made -n made');
    await kubectl.ok('create deployment made -n made --image=busybox --replicas=0 --port=8080 -- sleep 1');
    await kubectl.ok('create service nodeport made -n made --tcp=80:http');
    const made = async (what: string) => JSON.parse(await kubectl.ok(`get ${what} made -n made -o json`));
    assert.deepEqual((await made('configmap')).data, { a: 'b' });
    assert.deepEqual((await made('secret')).data, { key: Buffer.from('value').toString('base64') });
    const { spec } = await made('deployment');
    assert.deepEqual([spec.replicas, spec.selector], [0, { matchLabels: { app: 'made' } }]);
    const [container] = spec.template.spec.containers;
    assert.deepEqual(
      [container.image, container.command, container.ports],
      ['busybox', ['sleep', '1'], [{ containerPort: 8080, protocol: 'TCP' }]],
    );
    const [port] = (await made('service')).spec.ports;
    assert.deepEqual([port.port, port.targetPort, port.protocol], [80, 'http', 'TCP']);
    assert.match(await kubectl.fails('create namespace made'), /namespaces "made" already exists/);
    await kubectl.ok('delete namespace made --wait=false');
  });

  test('replaces and deletes, and waits until it is gone', async () => {
    assert.match(await kubectl.ok('replace -f -', deployment({ image: 'nginx:1.30' })), /replaced/);
    // kubectl 1.36 adds where from.
    assert.match(
      await kubectl.ok('delete deploy web'),
      /^deployment\.apps "web" deleted( from default namespace)?$/m,
    );
    assert.equal(await kubectl.ok('delete -f - --ignore-not-found', deployment()), '');
    assert.match(await kubectl.ok('delete cm -n kube-system --all'), /configmap "watched" deleted/);
    assert.match(await kubectl.fails('delete deploy web'), /deployments\.apps "web" not found/);
  });
});
