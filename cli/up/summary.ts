import { join } from 'node:path';
import { run } from '../../lib/exec.ts';
import type { Node } from '../../protocol/generated/models.ts';
import type { ApiClient } from '../api-client.ts';
import type { CommandContext } from '../command.ts';

export interface RunningExample {
  variant: 'process' | 'container';
  deployment: string;
  pod: string;
  url: string;
}

export interface Summary {
  client: ApiClient;
  directory: string;
  node: Node;
  examples: readonly RunningExample[];
}

/** What runs, the URL to open, and what to type next. */
export async function printSummary(
  context: CommandContext,
  { client, directory, node, examples }: Summary,
): Promise<void> {
  const capacity = node.status?.capacity ?? {};
  const rows = [
    ['API', `${client.server} (this machine only)`],
    ['Node', `${node.metadata?.name}: ${capacity.cpu} CPU, ${gibibytes(capacity.memory)} memory`],
    ...examples.map(({ variant, pod, url }) => [`Hello`, `${url}  a ${variant}, pod ${pod}`]),
    ['Logs', `${join(directory, 'server.log')}, ${join(directory, 'agent.log')}`],
  ];
  context.print('');
  context.print('Flotilla runs:');
  for (const [label = '', text = ''] of rows) context.print(`  ${label.padEnd(7)}${text}`);
  context.print('');
  for (const line of await nextSteps(directory, examples)) context.print(line);
  context.print('Ctrl-C stops it; npm run up resumes.');
}

async function nextSteps(directory: string, examples: readonly RunningExample[]): Promise<string[]> {
  const [first] = examples;
  const present = await run('kubectl', ['version', '--client'], { timeoutMs: 10_000 }).then(
    ({ exitCode }) => exitCode === 0,
    () => false,
  );
  const install = present ? [] : ['kubectl is not installed: https://kubernetes.io/docs/tasks/tools/', ''];
  return [
    ...install,
    'Next, in another terminal:',
    `  export KUBECONFIG=${join(directory, 'kubeconfig')}`,
    '  kubectl get nodes,pods -o wide',
    ...(first ? [`  curl ${first.url}`, `  kubectl logs -f deployment/${first.deployment}`] : []),
    '',
  ];
}

function gibibytes(quantity: string | undefined): string {
  const kibibytes = Number(/^(\d+)Ki$/.exec(quantity ?? '')?.[1] ?? Number.NaN);
  return Number.isNaN(kibibytes) ? String(quantity) : `${(kibibytes / 1024 ** 2).toFixed(1)} GiB`;
}
