import type { Container, Probe } from '../../../../protocol/generated/models.ts';
import { container } from '../pods/plan-cases.ts';
import { actedOn, app, inContainer, nothing, type Row, readBy, refused, rejected } from './fates.ts';

const program: Row[] = [
  inContainer('args', { args: ['-v'] }),
  inContainer('command', { command: ['sh'] }),
  inContainer('name', { name: 'other' }),
  {
    ...inContainer('image', { image: 'other:2' }),
    process: nothing('a host process runs what its command names'),
  },
  {
    ...inContainer('imagePullPolicy', { imagePullPolicy: 'Never' }),
    process: nothing('nothing is pulled for a host process'),
  },
  inContainer('workingDir', { workingDir: '/srv' }),
  {
    ...inContainer('stdin', { stdin: true }),
    process: refused(app({ stdin: true }), /stdin of .*no standard input/),
  },
  { ...inContainer('tty', { tty: true }), process: refused(app({ tty: true }), /tty of .*no terminal/) },
  ...readBy('agent/pods/pod-runtime.ts', 'containers', 'stdinOnce'),
  inContainer('terminationMessagePath', { terminationMessagePath: '/tmp/last' }),
  ...readBy('agent/pods/termination-message.ts', 'containers', 'terminationMessagePolicy'),
  ...readBy('agent/pods/plan-container.ts', 'containers', 'targetContainerName'),
];

const environment: Row[] = [
  inContainer('env.name', { env: [{ name: 'A', value: '1' }] }, { env: [{ name: 'B', value: '1' }] }),
  inContainer('env.value', { env: [{ name: 'A', value: '1' }] }, { env: [{ name: 'A' }] }),
  ...['configMapKeyRef', 'secretKeyRef'].flatMap((kind) =>
    readBy('agent/pods/environment.ts', `containers.env.valueFrom.${kind}`, 'name', 'key', 'optional'),
  ),
  ...readBy('agent/pods/environment.ts', 'containers.env.valueFrom.fieldRef', 'fieldPath'),
  {
    path: 'containers.env.valueFrom.fieldRef.apiVersion',
    fate: nothing('there is one version of a pod'),
  },
  ...readBy(
    'agent/pods/environment.ts',
    'containers.env.valueFrom.resourceFieldRef',
    'containerName',
    'divisor',
    'resource',
  ),
  ...readBy(
    'agent/pods/environment-files.ts',
    'containers.env.valueFrom.fileKeyRef',
    'key',
    'optional',
    'path',
    'volumeName',
  ),
  ...readBy('agent/pods/environment.ts', 'containers.envFrom', 'prefix'),
  ...['configMapRef', 'secretRef'].flatMap((kind) =>
    readBy('agent/pods/environment.ts', `containers.envFrom.${kind}`, 'name', 'optional'),
  ),
];

const handlers = {
  'exec.command': { exec: { command: ['true'] } },
  'httpGet.host': { httpGet: { port: 80, host: '192.0.2.1' } },
  'httpGet.httpHeaders.name': { httpGet: { port: 80, httpHeaders: [{ name: 'A', value: '' }] } },
  'httpGet.httpHeaders.value': { httpGet: { port: 80, httpHeaders: [{ name: 'B', value: '1' }] } },
  'httpGet.path': { httpGet: { port: 80, path: '/x' } },
  'httpGet.port': { httpGet: { port: 81 } },
  'httpGet.scheme': { httpGet: { port: 80, scheme: 'HTTPS' } },
  'tcpSocket.host': { tcpSocket: { port: 80, host: '192.0.2.1' } },
  'tcpSocket.port': { tcpSocket: { port: 80 } },
};
const plain = { httpGet: { port: 80 } };

const probes: Row[] = (['livenessProbe', 'readinessProbe', 'startupProbe'] as const).flatMap((kind) => {
  const fields: Record<string, Probe> = {
    ...handlers,
    'grpc.port': { grpc: { port: 80 } },
    'grpc.service': { grpc: { port: 80, service: 'x' } },
    failureThreshold: { ...plain, failureThreshold: 7 },
    initialDelaySeconds: { ...plain, initialDelaySeconds: 7 },
    periodSeconds: { ...plain, periodSeconds: 7 },
    successThreshold: { ...plain, successThreshold: 7 },
    timeoutSeconds: { ...plain, timeoutSeconds: 7 },
  };
  const rows = Object.entries(fields).map(([field, probe]) =>
    inContainer(`${kind}.${field}`, { [kind]: probe }, { [kind]: plain }),
  );
  const grace = `containers.${kind}.terminationGracePeriodSeconds`;
  const asks = app({ readinessProbe: { ...plain, terminationGracePeriodSeconds: 3 } });
  if (kind === 'readinessProbe')
    return [...rows, { path: grace, fate: rejected(asks, /terminationGracePeriodSeconds.*must not be set/) }];
  return [
    ...rows,
    ...readBy('agent/pods/plan-container.ts', `containers.${kind}`, 'terminationGracePeriodSeconds'),
  ];
});

const hooks: Row[] = (['postStart', 'preStop'] as const).flatMap((kind) =>
  Object.entries({ ...handlers, 'sleep.seconds': { sleep: { seconds: 2 } } }).map(([field, handler]) =>
    inContainer(
      `lifecycle.${kind}.${field}`,
      { lifecycle: { [kind]: handler } },
      { lifecycle: { [kind]: plain } },
    ),
  ),
);

const rules = (action: string, values: number[], operator = 'In'): Partial<Container> => ({
  restartPolicy: 'Never',
  restartPolicyRules: [{ action, exitCodes: { operator, values } }],
});

const life: Row[] = [
  inContainer('lifecycle.stopSignal', { lifecycle: { stopSignal: 'SIGUSR1' } }),
  inContainer('restartPolicy', { restartPolicy: 'Never' }),
  inContainer('restartPolicyRules.action', rules('RestartAllContainers', [1]), rules('Restart', [1])),
  inContainer('restartPolicyRules.exitCodes.operator', rules('Restart', [1], 'NotIn'), rules('Restart', [1])),
  inContainer('restartPolicyRules.exitCodes.values', rules('Restart', [2]), rules('Restart', [1])),
  ...readBy('agent/pods/resize.ts', 'containers.resizePolicy', 'resourceName', 'restartPolicy'),
];

const amounts: Row[] = [
  inContainer('resources.limits', { resources: { limits: { memory: '1Mi' } } }),
  inContainer('resources.requests', { resources: { requests: { cpu: '1' } } }),
  ...readBy('agent/devices/pod-devices.ts', 'containers.resources.claims', 'name', 'request'),
];

const port = { containerPort: 80, hostPort: 8080 };
const ports: Row[] = [
  inContainer('ports.containerPort', { ports: [{ ...port, containerPort: 81 }] }, { ports: [port] }),
  inContainer('ports.hostPort', { ports: [{ ...port, hostPort: 8081 }] }, { ports: [port] }),
  inContainer('ports.hostIP', { ports: [{ ...port, hostIP: '192.0.2.1' }] }, { ports: [port] }),
  inContainer('ports.protocol', { ports: [{ ...port, protocol: 'SCTP' }] }, { ports: [port] }),
  inContainer(
    'ports.name',
    { ports: [{ ...port, name: 'web' }], livenessProbe: { httpGet: { port: 'web' } } },
    { ports: [port], livenessProbe: { httpGet: { port: 'web' } } },
  ),
];

const volumes = [{ name: 'v', emptyDir: {} }];
const mount = { name: 'v', mountPath: '/v' };
const mounted = (path: string, to: object, from: object = {}): Row =>
  actedOn(
    `containers.volumeMounts.${path}`,
    { volumes, ...app({ volumeMounts: [{ ...mount, ...from, ...to }] }) },
    { volumes, ...app({ volumeMounts: [{ ...mount, ...from }] }) },
  );
const mounts: Row[] = [
  mounted('name', { name: 'w' }),
  mounted('mountPath', { mountPath: '/w' }),
  mounted('mountPropagation', { mountPropagation: 'HostToContainer' }),
  mounted('readOnly', { readOnly: true }),
  mounted('recursiveReadOnly', { recursiveReadOnly: 'Enabled' }, { readOnly: true }),
  mounted('subPath', { subPath: 'x' }),
  mounted('subPathExpr', { subPathExpr: 'x' }),
  ...['name', 'devicePath'].map((field): Row => {
    const one = { name: 'v', devicePath: '/dev/x' };
    const row = inContainer(
      `volumeDevices.${field}`,
      { volumeDevices: [{ ...one, [field]: 'y' }] },
      { volumeDevices: [one] },
    );
    return { ...row, process: refused(app({ volumeDevices: [one] }), /raw block devices/) };
  }),
];

/** Every kind of container is asked for every field by the same code; this one holds that there are three kinds. */
const kinds: Row[] = [
  actedOn('initContainers', { initContainers: [container('first')] }),
  actedOn('ephemeralContainers', { ephemeralContainers: [container('look')] }),
];

export const containerRows: readonly Row[] = [
  ...program,
  ...environment,
  ...probes,
  ...hooks,
  ...life,
  ...amounts,
  ...ports,
  ...mounts,
  ...kinds,
];
