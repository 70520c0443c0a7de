import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { nodeKind } from '../../protocol/kinds/node.ts';
import { type KubectlFixture, kubectlIsMissing, openKubectl } from './kubectl-fixture.ts';

/** Since 1.32 kubectl writes what its own commands make in protobuf; what it reads from files stays JSON. */
describe('the commands of kubectl that make and change objects', { skip: await kubectlIsMissing() }, () => {
  let kubectl: KubectlFixture;
  before(async () => {
    process.env.KUBE_EDITOR = 'sh editor';
    kubectl = await openKubectl();
    await kubectl.api.registry.create(nodeKind, { metadata: { name: 'n1' } });
  });
  after(() => kubectl[Symbol.asyncDispose]());

  async function get(what: string) {
    const { metadata, ...object } = JSON.parse(await kubectl.ok(`get ${what} -o json`));
    return { ...object, labels: metadata.labels, annotations: metadata.annotations };
  }

  function file(name: string, content: string | Buffer): void {
    writeFileSync(join(kubectl.directory, name), content);
  }

  test('create namespace, serviceaccount', async () => {
    assert.equal(await kubectl.ok('create namespace team'), 'namespace/team created\n');
    assert.equal((await get('namespace team')).status.phase, 'Active');
    assert.equal(await kubectl.ok('create serviceaccount robot -n team'), 'serviceaccount/robot created\n');
    assert.match(
      await kubectl.fails('create namespace team'),
      /AlreadyExists.*namespaces "team" already exists/,
    );
    assert.match(
      await kubectl.fails('create namespace Team_1'),
      /Namespace "Team_1" is invalid: metadata\.name/,
    );
  });

  test('create configmap keeps text as text and bytes as bytes', async () => {
    file('text', 'grüße\n');
    file('binary', Buffer.from([0, 255, 254, 10]));
    await kubectl.ok('create configmap mixed --from-literal=a=b --from-file=text --from-file=binary');
    const { data, binaryData } = await get('configmap mixed');
    assert.deepEqual(data, { a: 'b', text: 'grüße\n' });
    assert.deepEqual(binaryData, { binary: 'AP/+Cg==' });
    await kubectl.ok('create configmap dry --dry-run=server --from-literal=a=b');
    assert.match(await kubectl.fails('get configmap dry'), /not found/);
  });

  test('create secret in all its forms', async () => {
    const { certificate, key } = kubectl.api.authority.server;
    file('tls.crt', certificate);
    file('tls.key', key);
    await kubectl.ok('create secret generic plain --from-literal=user=jo --from-file=binary');
    await kubectl.ok('create secret tls keys --cert=tls.crt --key=tls.key');
    await kubectl.ok(
      'create secret docker-registry pull --docker-server=r.example --docker-username=u --docker-password=p',
    );
    assert.deepEqual((await get('secret plain')).data, { user: 'am8=', binary: 'AP/+Cg==' });
    const tls = await get('secret keys');
    assert.deepEqual(
      [tls.type, Buffer.from(tls.data['tls.crt'], 'base64').toString()],
      ['kubernetes.io/tls', certificate],
    );
    assert.equal((await get('secret pull')).type, 'kubernetes.io/dockerconfigjson');
  });

  test('create deployment', async () => {
    await kubectl.ok('create deployment web --image=nginx:1.27 --replicas=0 --port=80');
    const { spec, labels } = await get('deployment web');
    const [container] = spec.template.spec.containers;
    assert.deepEqual(
      [labels, spec.replicas, spec.selector],
      [{ app: 'web' }, 0, { matchLabels: { app: 'web' } }],
    );
    assert.deepEqual([container.name, container.image], ['nginx', 'nginx:1.27']);
    assert.deepEqual(container.ports, [{ containerPort: 80, protocol: 'TCP' }]);
    assert.equal(spec.strategy.type, 'RollingUpdate');
  });

  test('create service in all its forms', async () => {
    await kubectl.ok('create service clusterip inner --tcp=80:8080');
    await kubectl.ok('create service clusterip headless --clusterip=None');
    await kubectl.ok('create service nodeport outer --tcp=80:http --node-port=30080');
    await kubectl.ok('create service loadbalancer balanced --tcp=80');
    await kubectl.ok('create service externalname away --external-name=example.org');
    const spec = async (name: string) => (await get(`service ${name}`)).spec;
    const [port] = (await spec('inner')).ports;
    assert.deepEqual([port.name, port.port, port.targetPort], ['80-8080', 80, 8080]);
    assert.equal((await spec('headless')).clusterIP, 'None');
    const outer = await spec('outer');
    assert.deepEqual(
      [outer.type, outer.ports[0].targetPort, outer.ports[0].nodePort],
      ['NodePort', 'http', 30080],
    );
    assert.equal((await spec('balanced')).type, 'LoadBalancer');
    assert.equal((await spec('away')).externalName, 'example.org');
  });

  test('a kind that is not served is an ordinary NotFound', async () => {
    const commands = [
      'create quota some --hard=cpu=1',
      'create job some --image=busybox',
      'create ingress some --rule=a.example/b=c:80',
      'create priorityclass some --value=10',
      'create poddisruptionbudget some --selector=a=b --min-available=1',
    ];
    for (const command of commands) {
      const { code, stderr } = await kubectl.run(command.split(' '));
      assert.ok(code === 0 || stderr.includes('the server could not find the requested resource'), stderr);
    }
  });

  test('run, and expose what runs', async () => {
    await kubectl.ok('run shell --image=busybox --env=A=B --labels=app=shell --port=80 -- sleep 10');
    const [container] = (await get('pod shell')).spec.containers;
    assert.deepEqual([container.args, container.env], [['sleep', '10'], [{ name: 'A', value: 'B' }]]);
    assert.equal(await kubectl.ok('expose pod shell --name=shell'), 'service/shell exposed\n');
    await kubectl.ok('expose deployment web --port=80 --target-port=8080');
    const { spec } = await get('service web');
    assert.deepEqual([spec.selector, spec.ports[0].targetPort], [{ app: 'web' }, 8080]);
  });

  test('set, label, annotate, patch, scale', async () => {
    await kubectl.ok('set image deployment/web nginx=nginx:1.28');
    await kubectl.ok('set env deployment/web A=B');
    await kubectl.ok('set resources deployment/web --limits=cpu=200m,memory=64Mi');
    await kubectl.ok('set serviceaccount deployment web robot');
    await kubectl.ok('set selector service inner app=other');
    await kubectl.ok('label deployment web tier=front');
    await kubectl.ok('annotate deployment web note=x');
    await kubectl.ok('patch deployment web --type=merge -p {"spec":{"paused":true}}');
    await kubectl.ok('scale deployment web --replicas=3');
    const { spec, labels, annotations } = await get('deployment web');
    const pod = spec.template.spec;
    assert.deepEqual(
      [pod.containers[0].image, pod.containers[0].env],
      ['nginx:1.28', [{ name: 'A', value: 'B' }]],
    );
    assert.deepEqual(pod.containers[0].resources.limits, { cpu: '200m', memory: '64Mi' });
    assert.deepEqual([pod.serviceAccountName, labels.tier, annotations.note], ['robot', 'front', 'x']);
    assert.deepEqual([spec.paused, spec.replicas], [true, 3]);
    assert.deepEqual((await get('service inner')).spec.selector, { app: 'other' });
  });

  test('edit and replace', async () => {
    file('editor', 'sed -i "s/nginx:1.28/nginx:1.29/" "$1"\n');
    assert.equal(await kubectl.ok('edit deployment web'), 'deployment.apps/web edited\n');
    const edited = await kubectl.ok('get deployment web -o json');
    assert.match(edited, /nginx:1\.29/);
    await kubectl.ok('replace -f -', edited.replace('nginx:1.29', 'nginx:1.30'));
    assert.match(await kubectl.ok('get deployment web -o json'), /nginx:1\.30/);
    assert.match(await kubectl.fails('replace -f -', edited), /Conflict.*the object has been modified/);
  });

  test('cordon, uncordon, taint, drain by eviction and by deletion', async () => {
    for (const name of ['evicted', 'deleted']) {
      assert.equal(
        await kubectl.ok('uncordon n1'),
        name === 'evicted' ? 'node/n1 already uncordoned\n' : 'node/n1 uncordoned\n',
      );
      await kubectl.ok(
        `run ${name} --image=busybox --overrides={"spec":{"nodeName":"n1","terminationGracePeriodSeconds":0}}`,
      );
      const way = name === 'evicted' ? '' : '--disable-eviction';
      const output = await kubectl.ok(
        `drain n1 --force --ignore-daemonsets --delete-emptydir-data --grace-period=0 --timeout=20s ${way}`,
      );
      assert.match(output, new RegExp(`pod/${name} ${name}\nnode/n1 drained`));
      assert.match(await kubectl.fails(`get pod ${name}`), /not found/);
    }
    assert.equal((await get('node n1')).spec.unschedulable, true);
    await kubectl.ok('taint node n1 rack=2:NoSchedule');
    const taints: { key: string; value?: string; effect: string }[] = (await get('node n1')).spec.taints;
    assert.ok(
      taints.some(({ key, value, effect }) => key === 'rack' && value === '2' && effect === 'NoSchedule'),
    );
  });

  test('delete with every cascade, by force, all of a kind', async () => {
    assert.equal(await kubectl.ok('delete service inner --cascade=background'), 'service "inner" deleted\n');
    for (const [cascade, finalizer] of [
      ['orphan', 'orphan'],
      ['foreground', 'foregroundDeletion'],
    ]) {
      await kubectl.ok(`create deployment ${cascade} --image=busybox`);
      await kubectl.ok(`delete deployment ${cascade} --cascade=${cascade} --wait=false`);
      const { metadata } = JSON.parse(await kubectl.ok(`get deployment ${cascade} -o json`));
      assert.deepEqual([metadata.finalizers, typeof metadata.deletionTimestamp], [[finalizer], 'string']);
    }
    assert.match(await kubectl.ok('delete pod shell --grace-period=0 --force'), /^pod "shell" force deleted/);
    assert.match(
      await kubectl.ok('delete secrets --all'),
      /secret "keys" deleted\n[^]*secret "pull" deleted/,
    );
    assert.equal(await kubectl.ok('get secrets'), '');
  });
});
