/** A Deployment of `replicas` processes that run `script` in sh. */
export function processDeployment(
  app: string,
  options: { replicas?: number; script?: string; cpu?: string; extra?: string } = {},
): string {
  return deployment(app, {
    replicas: options.replicas ?? 1,
    pod: [
      'runtimeClassName: process',
      ...(options.extra === undefined ? [] : [options.extra]),
      ...container('host', options.script ?? keepAlive, options.cpu),
    ],
  });
}

/** A Deployment of `replicas` containers of `image` that run `script` in sh. */
export function containerDeployment(
  app: string,
  image: string,
  options: { replicas?: number; script?: string; cpu?: string; extra?: string } = {},
): string {
  return deployment(app, {
    replicas: options.replicas ?? 1,
    pod: [
      'runtimeClassName: oci',
      ...(options.extra === undefined ? [] : [options.extra]),
      ...container(image, options.script ?? keepAlive, options.cpu),
    ],
  });
}

/** Ends at once when asked to, says a line a second until then. */
export const keepAlive =
  'trap "exit 0" TERM; n=0; while true; do n=$((n+1)); echo "tick $n"; sleep 1 & wait $!; done';

function container(image: string, script: string, cpu = '10m'): string[] {
  return [
    'containers:',
    '- name: main',
    `  image: ${JSON.stringify(image)}`,
    '  imagePullPolicy: Never',
    `  command: ["/bin/sh", "-c", ${JSON.stringify(script)}]`,
    '  resources:',
    `    requests: {cpu: ${JSON.stringify(cpu)}, memory: 8Mi}`,
  ];
}

function deployment(app: string, { replicas, pod }: { replicas: number; pod: string[] }): string {
  return [
    'apiVersion: apps/v1',
    'kind: Deployment',
    `metadata: {name: ${app}, labels: {app: ${app}}}`,
    'spec:',
    `  replicas: ${replicas}`,
    `  selector: {matchLabels: {app: ${app}}}`,
    '  template:',
    `    metadata: {labels: {app: ${app}}}`,
    '    spec:',
    '      terminationGracePeriodSeconds: 3',
    ...pod.map((line) => `      ${line}`),
    '',
  ].join('\n');
}
