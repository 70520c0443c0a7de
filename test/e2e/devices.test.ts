import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { adapterPaths, HostTree, pi4, serialAdapter } from '../unit/agent/devices/host-tree.ts';
import { type AgentOptions, Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { finish, until } from './support/programs.ts';

/**
 * Claims of devices with the real kubectl. The machine's /sys and /dev are a tree like a Raspberry Pi's; the serial
 * adapters in it are real character devices (the one that /dev/null is, so that it may be written to).
 */
const noContainers = await containersMissing();
const adapter = { port: '1-1.2', serial: 'A50285BI', number: 0, device: 5 };
const other = { port: '1-1.3', serial: 'B70011XY', number: 1, device: 6 };

describe('devices', { timeout: 300_000 }, () => {
  let cluster: Cluster;
  let tree: HostTree;
  const ending: (() => Promise<void>)[] = [];
  before(async () => {
    tree = await HostTree.make(pi4);
    await plug(adapter);
    await plug(other);
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await addCharacterDevice('/dev/modem');
    await cluster.addNodes(['pi'], agentOptions());
  });
  after(async () => {
    for (const task of ending) await task();
    await tree[Symbol.asyncDispose]();
  });

  const agentOptions = (): AgentOptions => ({
    runtime: 'auto',
    environment: { FLOTILLA_HOST_ROOT: tree.root },
    flags: ['--devices', 'example.com/modem=/dev/modem'],
  });
  const addCharacterDevice = async (path: string) => {
    const at = join(tree.root, path);
    await finish('rm', ['-f', at]);
    const made = await finish('mknod', ['-m', '660', at, 'c', '1', '3']);
    assert.equal(made.code, 0, made.stderr);
  };
  const plug = async (which: typeof adapter) => {
    await tree.add(serialAdapter(which));
    await addCharacterDevice(`/dev/ttyUSB${which.number}`);
  };
  const ready = async (pod: string) => {
    const { code } = await cluster.kubectl(['wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=40s']);
    if (code !== 0) throw new Error(await cluster.ok(['describe', 'pod,resourceclaim']));
  };
  const run = (pod: string, script: string) => cluster.ok(['exec', pod, '--', 'sh', '-c', script]);
  const hasPort = (name: string, port: string) =>
    until(
      `${name} to have ${port}`,
      async () => {
        const script = 'echo $FLOTILLA_DEVICE_PORT';
        const { stdout } = await cluster.kubectl(['exec', name, '--', 'sh', '-c', script]);
        return stdout.trim() === join(tree.root, 'dev', port);
      },
      { timeoutMs: 40_000, describe: () => cluster.ok(['describe', 'pod', name]) },
    );
  const claimText = (what: string) =>
    cluster.ok([
      'get',
      'resourceclaim',
      what,
      '-o',
      'jsonpath={.status.allocation.devices.results[*].device}',
    ]);

  test('a node tells what it has: slices, labels, numbers and how it is', async () => {
    const slice = await cluster.ok(['get', 'resourceslice', 'pi-serial.flotilla.dev', '-o', 'yaml']);
    assert.match(slice, /nodeName: pi/);
    assert.match(slice, /name: usb-ftdi-ft232r-usb-uart-a50285bi-if00-port0/);
    assert.match(await cluster.ok(['get', 'deviceclass', '-o', 'name']), /serial\.flotilla\.dev/);
    const node = await cluster.ok(['describe', 'node', 'pi']);
    assert.match(node, /flotilla\.dev\/has-gpio=true/);
    assert.match(node, /flotilla\.dev\/gpiochip: +1/);
    assert.match(node, /example\.com\/modem: +1/);
    assert.match(node, /UnderVoltage +False .* VoltageNormal/);
  });

  test('a process gets the device that its claim selects, and nobody else does until it ends', async () => {
    await cluster.apply(claim('adapter', 'a50285bi'));
    await cluster.apply(pod('first', { runtime: 'process', claims: [['port', 'adapter']] }));
    await ready('first');
    assert.match(await claimText('adapter'), /a50285bi/);
    assert.match(await cluster.ok(['get', 'resourceclaim', 'adapter']), /allocated,reserved/);
    assert.equal((await run('first', 'echo $FLOTILLA_DEVICE_PORT')).trim(), join(tree.root, 'dev/ttyUSB0'));
    await run('first', 'test -c $FLOTILLA_DEVICE_PORT && echo x > $FLOTILLA_DEVICE_PORT');

    await cluster.apply(claim('same', 'a50285bi'));
    await cluster.apply(pod('second', { runtime: 'process', claims: [['port', 'same']] }));
    await until('the reason', async () =>
      /0\/1 nodes are available: 1 cannot allocate all claims/.test(
        await cluster.ok(['describe', 'pod', 'second']),
      ),
    );
    await cluster.ok(['delete', 'pod', 'first', '--grace-period=1', '--timeout=40s']);
    await ready('second');
    await until('the first claim to be free', async () =>
      /pending/.test(await cluster.ok(['get', 'resourceclaim', 'adapter'])),
    );
    await cluster.ok(['delete', 'pod', 'second', '--grace-period=1', '--timeout=40s']);
  });

  test('a claim of a template comes and goes with its pod', async () => {
    await cluster.apply(template('any'));
    await cluster.apply(pod('owner', { runtime: 'process', templates: [['port', 'any']] }));
    await ready('owner');
    const made = await cluster.ok([
      'get',
      'pod',
      'owner',
      '-o',
      'jsonpath={.status.resourceClaimStatuses[0].resourceClaimName}',
    ]);
    assert.match(made, /^owner-port-/);
    await cluster.ok(['delete', 'pod', 'owner', '--grace-period=1', '--timeout=40s']);
    await cluster.ok(['wait', '--for=delete', `resourceclaim/${made}`, '--timeout=40s']);
  });

  test('what is unplugged is told; plugged in under another name it is the same device, and a missing one is waited for', async () => {
    await cluster.apply(claim('moving', 'b70011xy'));
    await cluster.apply(pod('mover', { runtime: 'process', claims: [['port', 'moving']] }));
    await ready('mover');
    assert.equal((await run('mover', 'echo $FLOTILLA_DEVICE_PORT')).trim(), join(tree.root, 'dev/ttyUSB1'));
    await tree.remove(...adapterPaths(other));
    await until('the news of the unplugged device', async () =>
      /DeviceUnplugged/.test(await cluster.ok(['describe', 'pod', 'mover'])),
    );
    const health = () =>
      cluster.ok([
        'get',
        'pod',
        'mover',
        '-o',
        'jsonpath={.status.containerStatuses[0].allocatedResourcesStatus}',
      ]);
    await until('the status to call it unhealthy', async () =>
      /"name":"claim:port\/serial".*"health":"Unhealthy".*"resourceID":"serial\.flotilla\.dev\/pi\//.test(
        await health(),
      ),
    );
    await until('the claim to show it', async () =>
      /DeviceGone/.test(await cluster.ok(['get', 'resourceclaim', 'moving', '-o', 'yaml'])),
    );
    await plug({ ...other, port: '1-1.4', number: 7, device: 9 });
    await hasPort('mover', 'ttyUSB7');
    await until('the status to call it healthy', async () => /"health":"Healthy"/.test(await health()));

    await cluster.agents.get('pi')?.kill('SIGKILL');
    await tree.remove(...adapterPaths({ ...other, port: '1-1.4', number: 7 }));
    await plug({ ...other, number: 2, device: 11 });
    await cluster.startAgent('pi', agentOptions());
    await hasPort('mover', 'ttyUSB2');
    await cluster.ok(['delete', 'pod', 'mover', '--grace-period=1', '--timeout=40s']);

    await cluster.apply(pod('late', { runtime: 'process', claims: [['port', 'moving']], init: 'sleep 6' }));
    await until('the claim to be allocated', async () => /b70011xy/.test(await claimText('moving')));
    await tree.remove(...adapterPaths({ ...other, number: 2 }));
    await until(
      'the reason why it waits',
      async () => {
        const text = await cluster.ok([
          'get',
          'pod',
          'late',
          '-o',
          'jsonpath={.status.containerStatuses[0].state.waiting}',
        ]);
        return /CreateContainerConfigError/.test(text) && /is not there: plug it in again/.test(text);
      },
      { timeoutMs: 40_000 },
    );
    await plug(other);
    await ready('late');
    await cluster.ok(['delete', 'pod', 'late', '--grace-period=1', '--timeout=40s']);
  });

  test('a container sees its device alone', { skip: noContainers }, async () => {
    await cluster.apply(pod('boxed', { runtime: 'oci', claims: [['port', 'adapter']] }));
    await ready('boxed');
    assert.equal((await run('boxed', 'echo $FLOTILLA_DEVICE_PORT')).trim(), '/dev/ttyUSB0');
    await run('boxed', 'test -c /dev/ttyUSB0 && echo x > /dev/ttyUSB0 && test ! -e /dev/ttyUSB1');
    await cluster.ok(['delete', 'pod', 'boxed', '--grace-period=1', '--timeout=40s']);
  });

  test('a device that counts as a resource goes to one pod at a time', async () => {
    const modem = '{limits: {example.com/modem: 1}}';
    await cluster.apply(pod('dialer', { runtime: 'process', resources: modem }));
    await ready('dialer');
    assert.equal(
      (await run('dialer', 'echo $FLOTILLA_DEVICE_EXAMPLE_COM_MODEM')).trim(),
      join(tree.root, 'dev/modem'),
    );
    await cluster.apply(pod('waits', { runtime: 'process', resources: modem }));
    await until('the reason', async () =>
      /Insufficient example\.com\/modem/.test(await cluster.ok(['describe', 'pod', 'waits'])),
    );
    await cluster.ok(['delete', 'pod', 'dialer', '--grace-period=1', '--timeout=40s']);
    await ready('waits');
  });
});

function selecting(serial: string): string {
  const expression = `device.attributes["serial.flotilla.dev"].serial.lowerAscii() == "${serial}"`;
  const selectors = `[{cel: {expression: '${expression}'}}]`;
  return `{name: serial, exactly: {deviceClassName: serial.flotilla.dev, selectors: ${selectors}}}`;
}

function claim(name: string, serial: string): string {
  return [
    'apiVersion: resource.k8s.io/v1',
    'kind: ResourceClaim',
    `metadata: {name: ${name}}`,
    `spec: {devices: {requests: [${selecting(serial)}]}}`,
  ].join('\n');
}

function template(name: string): string {
  return [
    'apiVersion: resource.k8s.io/v1',
    'kind: ResourceClaimTemplate',
    `metadata: {name: ${name}}`,
    'spec: {spec: {devices: {requests: [{name: serial, exactly: {deviceClassName: serial.flotilla.dev}}]}}}',
  ].join('\n');
}

interface PodOptions {
  runtime: 'oci' | 'process';
  claims?: readonly (readonly [name: string, claim: string])[];
  templates?: readonly (readonly [name: string, template: string])[];
  resources?: string;
  init?: string;
}

function pod(name: string, { runtime, claims = [], templates = [], resources, init }: PodOptions): string {
  const image = runtime === 'oci' ? busyboxImage : 'host';
  const all = [
    ...claims.map(([one, claimName]) => `{name: ${one}, resourceClaimName: ${claimName}}`),
    ...templates.map(([one, made]) => `{name: ${one}, resourceClaimTemplateName: ${made}}`),
  ];
  const names = [...claims, ...templates].map(([one]) => `{name: ${one}}`);
  const lines = [
    'apiVersion: v1',
    'kind: Pod',
    `metadata: {name: ${name}}`,
    'spec:',
    `  runtimeClassName: ${runtime}`,
    '  terminationGracePeriodSeconds: 1',
    ...(all.length > 0 ? [`  resourceClaims: [${all.join(', ')}]`] : []),
    ...(init === undefined
      ? []
      : [`  initContainers: [{name: init, image: ${image}, command: [sh, -c, '${init}']}]`]),
    '  containers:',
    `  - {name: main, image: ${image}, command: [sleep, '3600'], resources: ${resources ?? `{claims: [${names.join(', ')}]}`}}`,
  ];
  return lines.join('\n');
}
