import { access, mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { Node, Pod } from '../../protocol/generated/models.ts';
import { type ApiClient, expectSuccess, openApiClient } from '../api-client.ts';
import { checkoutDirectory } from '../checkout.ts';
import { type CommandContext, CommandError, defineCommand } from '../command.ts';
import { createToken } from '../create-token.ts';
import { untilAborted } from '../until-aborted.ts';
import { applyExample } from '../up/apply-example.ts';
import { type Child, startChild } from '../up/child.ts';
import { ensureHelloImage } from '../up/hello-image.ts';
import { answersHttp, freePortFrom } from '../up/ports.ts';
import { printSummary, type RunningExample } from '../up/summary.ts';
import { waitUntil } from '../up/wait-until.ts';

const readyTimeoutMs = 30_000;
const helloTimeoutMs = 30_000;
const tokenMs = 600_000;

export const command = defineCommand({
  name: 'up',
  summary: 'Start a server and an agent on this machine and run an example',
  description: [
    'Starts a server and an agent on this machine, applies examples/hello, and tells what runs and what to type next.',
    'All state is in .flotilla of the checkout; a second start resumes the same cluster. Ctrl-C stops it.',
  ].join('\n'),
  options: {
    data: {
      type: 'string',
      placeholder: 'DIR',
      description: 'folder for all state (.flotilla of the checkout)',
    },
    'api-port': { type: 'integer', placeholder: 'PORT', description: 'port of the Kubernetes API (6443)' },
    'mqtt-port': { type: 'integer', placeholder: 'PORT', description: 'port that devices dial (8883)' },
    'hello-port': {
      type: 'integer',
      placeholder: 'PORT',
      description: 'port of the example; the container takes the next (8480, or the next free one)',
    },
    runtime: { type: 'string', placeholder: 'RUNTIME', description: 'auto, oci or process (auto)' },
  },
  async run(context, options) {
    const directory = resolve(options.data ?? join(checkoutDirectory(), '.flotilla'));
    const settings: Settings = {
      directory,
      apiPort: options['api-port'] ?? 6443,
      mqttPort: options['mqtt-port'] ?? 8883,
      helloPort: options['hello-port'] ?? 8480,
      runtime: options.runtime ?? 'auto',
    };
    await mkdir(directory, { recursive: true }).catch((error: unknown) => {
      throw new CommandError(`cannot make the data folder ${directory}; choose another with --data`, {
        cause: error,
      });
    });
    const children: Child[] = [];
    try {
      await Promise.race([bringUp(context, settings, children), untilAborted(context.signal)]);
    } finally {
      if (children.length > 0) context.note('Stopping ...');
      // The agent first, while the server can still take its last words.
      for (const child of children.toReversed()) await child.stop();
    }
  },
});

interface Settings {
  directory: string;
  apiPort: number;
  mqttPort: number;
  helloPort: number;
  runtime: string;
}

async function bringUp(context: CommandContext, settings: Settings, children: Child[]): Promise<void> {
  const { directory } = settings;
  const step = progress(context);
  // Before the agent starts, which may have the example running again at once.
  const helloPort = await freePortFrom(settings.helloPort);
  const containerPort = await freePortFrom(helloPort + 1);
  const server = await startChild('server', serverArguments(settings), directory);
  children.push(server);
  const client = await Promise.race([waitForServer(context, directory, settings.apiPort), server.failed]);
  step(`server ready at ${client.server}`);

  const name = hostname().toLowerCase();
  const agent = await startChild('agent', await agentArguments(context, client, settings, name), directory);
  children.push(agent);
  const joined = agent.saying(/connected to the server/).then(() => waitForNode(context, client, name));
  const node = await Promise.race([joined, server.failed, agent.failed]);
  step(`agent ready: node ${name}, ${node.status?.nodeInfo?.containerRuntimeVersion ?? 'no runtime'}`);

  const examples = [await runExample(context, client, 'process', helloPort)];
  const container = await runContainerExample(context, client, { node, port: containerPort });
  if (container) examples.push(container);
  step('example running');
  await printSummary(context, { client, directory, node, examples });
  await Promise.race([server.failed, agent.failed]);
}

function serverArguments({ directory, apiPort, mqttPort }: Settings): string[] {
  return ['server', '--data', directory, '--api-port', String(apiPort), '--mqtt-port', String(mqttPort)];
}

async function agentArguments(
  context: CommandContext,
  client: ApiClient,
  settings: Settings,
  name: string,
): Promise<string[]> {
  const data = join(settings.directory, 'agent');
  const joined = await access(join(data, 'identity')).then(
    () => true,
    () => false,
  );
  const { clock, random } = context;
  const options = {
    random,
    now: clock.now(),
    ttlMs: tokenMs,
    singleUse: true,
    allowRejoin: true,
    description: 'flotilla up',
  };
  const token = joined ? [] : ['--join', await createToken(client, options)];
  const server = `127.0.0.1:${settings.mqttPort}`;
  const workloads = ['--runtime', settings.runtime, '--stop-workloads'];
  return ['agent', '--data', data, '--name', name, '--server', server, ...workloads, ...token];
}

async function waitForServer(
  context: CommandContext,
  directory: string,
  apiPort: number,
): Promise<ApiClient> {
  return waitUntil(
    async () => {
      const client = await openApiClient(join(directory, 'kubeconfig'));
      // A kubeconfig of an earlier start may name another port.
      if (!client.server.endsWith(`:${apiPort}`)) return undefined;
      return (await client.request('GET', '/readyz')).code === 200 ? client : undefined;
    },
    {
      what: 'the server becoming ready',
      timeoutMs: readyTimeoutMs,
      clock: context.clock,
      signal: context.signal,
    },
  );
}

async function waitForNode(context: CommandContext, client: ApiClient, name: string): Promise<Node> {
  return waitUntil(
    async () => {
      const answer = await client.request('GET', `/api/v1/nodes/${name}`);
      if (answer.code !== 200) return undefined;
      const node = answer.body as Node;
      const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
      return ready?.status === 'True' ? node : undefined;
    },
    {
      what: `node ${name} becoming ready`,
      timeoutMs: readyTimeoutMs,
      clock: context.clock,
      signal: context.signal,
    },
  );
}

/** Undefined, with a note, where there is no engine or it does not do its part: the process shows as much. */
async function runContainerExample(
  context: CommandContext,
  client: ApiClient,
  { node, port }: { node: Node; port: number },
): Promise<RunningExample | undefined> {
  const engine = engineOf(node);
  if (!engine) return undefined;
  try {
    await ensureHelloImage(engine, context.signal);
    return await runExample(context, client, 'container', port);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    context.note(`  the example does not run as a container: ${error.message}`);
    return undefined;
  }
}

async function runExample(
  context: CommandContext,
  client: ApiClient,
  variant: 'process' | 'container',
  port: number,
): Promise<RunningExample> {
  const name = await applyExample(client, variant, port);
  const pod = await waitUntil(
    async () => {
      const selector = encodeURIComponent(`app=${name}`);
      const answer = await client.request('GET', `/api/v1/namespaces/default/pods?labelSelector=${selector}`);
      const list = expectSuccess(answer, 'listing the example') as { items?: Pod[] };
      return list.items?.find((item) => !item.metadata?.deletionTimestamp && isReady(item));
    },
    {
      what: `deployment ${name} running`,
      timeoutMs: helloTimeoutMs,
      clock: context.clock,
      signal: context.signal,
    },
  );
  const url = `http://127.0.0.1:${port}`;
  await waitUntil(() => answersHttp(url), {
    what: `an answer of ${url}`,
    timeoutMs: helloTimeoutMs,
    clock: context.clock,
    signal: context.signal,
  });
  return { variant, deployment: name, pod: pod.metadata?.name ?? '', url };
}

function isReady(pod: Pod): boolean {
  return (
    pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ??
    false
  );
}

/** `podman` of `podman://5.4.2`; undefined where the node runs processes only. */
function engineOf(node: Node): string | undefined {
  const engine = node.status?.nodeInfo?.containerRuntimeVersion?.split('://')[0];
  return engine === undefined || engine === 'process' ? undefined : engine;
}

function progress(context: CommandContext): (what: string) => void {
  let since = context.clock.monotonic();
  return (what) => {
    const now = context.clock.monotonic();
    context.note(`  ${what} (${((now - since) / 1000).toFixed(1)} s)`);
    since = now;
  };
}
