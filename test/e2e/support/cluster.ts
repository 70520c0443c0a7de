import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Finished, finish, freePort, launcher, Running, until } from './programs.ts';

export interface AgentOptions {
  labels?: string;
  runtime?: 'auto' | 'oci' | 'process';
  /** Beside this process's own. */
  environment?: Readonly<Record<string, string>>;
  /** Further flags. */
  flags?: readonly string[];
  /** What starts it, if that is not the launcher. */
  program?: readonly string[];
}

/**
 * A real server and real agents as processes of their own, driven with the real kubectl. Everything ends with the
 * test.
 */
export class Cluster {
  readonly directory: string;
  readonly serverData: string;
  bind: string | undefined;
  /** The server's static token file. */
  tokenFile: string | undefined;
  /** Further flags of the server. */
  serverFlags: readonly string[] = [];
  readonly apiPort: number;
  readonly mqttPort: number;
  server: Running | undefined;
  #stopped: Promise<void> | undefined;
  readonly agents = new Map<string, Running>();

  private constructor(directory: string, serverData: string, ports: { api: number; mqtt: number }) {
    this.directory = directory;
    this.serverData = serverData;
    this.apiPort = ports.api;
    this.mqttPort = ports.mqtt;
  }

  static async start(
    context: { after(task: () => Promise<void>): void },
    options: { serverData?: string; bind?: string; tokens?: string; serverFlags?: readonly string[] } = {},
  ): Promise<Cluster> {
    // Not in /tmp: a process has one of its own, and tests look at what processes write.
    const directory = await mkdtemp('/var/tmp/flotilla-e2e-');
    const cluster = new Cluster(directory, options.serverData ?? join(directory, 'server'), {
      api: await freePort(),
      mqtt: await freePort(),
    });
    cluster.bind = options.bind;
    cluster.serverFlags = options.serverFlags ?? [];
    if (options.tokens !== undefined) {
      cluster.tokenFile = join(directory, 'tokens');
      await writeFile(cluster.tokenFile, options.tokens, { mode: 0o600 });
    }
    context.after(() => cluster.stop());
    await cluster.startServer();
    return cluster;
  }

  get kubeconfig(): string {
    return join(this.serverData, 'kubeconfig');
  }

  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, KUBECONFIG: this.kubeconfig, HOME: this.directory };
  }

  async startServer(): Promise<void> {
    const ports = ['--api-port', String(this.apiPort), '--mqtt-port', String(this.mqttPort)];
    const bind = this.bind === undefined ? [] : ['--bind', this.bind];
    const tokens = this.tokenFile === undefined ? [] : ['--token-auth-file', this.tokenFile];
    const flags = [...ports, ...bind, ...tokens, ...this.serverFlags];
    this.server = new Running(launcher, ['server', '--data', this.serverData, ...flags]);
    await this.server.saying(/Kubeconfig/);
  }

  async killServer(): Promise<void> {
    await this.server?.kill('SIGKILL');
  }

  /** Starts an agent; the first time it joins with a fresh token. Resolves when it runs, not when it is Ready. */
  async startAgent(name: string, options: AgentOptions = {}): Promise<Running> {
    const data = join(this.directory, name);
    const joining = this.agents.has(name) ? [] : ['--join', await this.createToken()];
    const args = [
      'agent',
      '--data',
      data,
      '--name',
      name,
      '--server',
      `127.0.0.1:${this.mqttPort}`,
      '--runtime',
      options.runtime ?? 'process',
      ...(options.labels === undefined ? [] : ['--labels', options.labels]),
      ...(options.flags ?? []),
      ...joining,
    ];
    const [program = launcher, ...before] = options.program ?? [];
    const agent = new Running(program, [...before, ...args], { ...process.env, ...options.environment });
    this.agents.set(name, agent);
    return agent;
  }

  async createToken(...args: string[]): Promise<string> {
    const created = await finish(launcher, ['token', 'create', '--kubeconfig', this.kubeconfig, ...args]);
    if (created.code !== 0) throw new Error(created.stderr);
    return created.stdout.trim();
  }

  /** Starts agents and waits until their nodes are Ready. */
  async addNodes(names: readonly string[], options: AgentOptions = {}): Promise<void> {
    for (const name of names) await this.startAgent(name, options);
    for (const name of names) await this.waitForNode(name, 'True');
  }

  async waitForNode(name: string, ready: 'True' | 'False' | 'Unknown'): Promise<void> {
    const path = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
    await until(
      `node ${name} Ready=${ready}`,
      async () => (await this.kubectl(['get', 'node', name, '-o', path])).stdout === ready,
      { describe: () => this.#story(name) },
    );
  }

  /** Runs kubectl; see `ok` for one that must succeed. */
  kubectl(args: readonly string[], options: { input?: string; timeoutMs?: number } = {}): Promise<Finished> {
    return finish('kubectl', args, { env: this.environment, ...options });
  }

  /** Runs kubectl, which must succeed; returns what it printed. */
  async ok(args: readonly string[], options: { input?: string; timeoutMs?: number } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(args, options);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} (exit ${code}): ${stderr}${stdout}`);
    return stdout;
  }

  async json<T = Record<string, unknown>>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.ok([...args, '-o', 'json'])) as T;
  }

  apply(manifest: string): Promise<string> {
    return this.ok(['apply', '-f', '-'], { input: manifest });
  }

  /** What kubectl does while the test goes on, e.g. a watch. */
  background(args: readonly string[]): Running {
    return new Running('kubectl', args, this.environment);
  }

  /** Pods with the label app=`app` that are Ready and not on their way out. */
  async readyPods(app: string, count: number, timeoutMs = 60_000): Promise<PodFacts[]> {
    return until(
      `${count} ready pods of ${app}`,
      async () => {
        const pods = (await this.pods(app)).filter((pod) => pod.ready);
        return pods.length === count ? pods : undefined;
      },
      { timeoutMs, describe: () => this.#story() },
    );
  }

  async pods(app: string): Promise<PodFacts[]> {
    const list = await this.json<{ items: PodObject[] }>(['get', 'pods', '-l', `app=${app}`]);
    return list.items.map(podFacts).filter((pod) => !pod.terminating);
  }

  /** Ends everything; a second call waits for the first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  async #end(): Promise<void> {
    await this.kubectl(['delete', 'deployments,pods', '--all', '-A', '--grace-period=1', '--wait=false'], {
      timeoutMs: 10_000,
    }).catch(() => undefined);
    await until('workloads gone', async () => (await this.ok(['get', 'pods', '-A', '-o', 'name'])) === '', {
      timeoutMs: 15_000,
    }).catch(() => undefined);
    for (const agent of this.agents.values()) await agent.kill('SIGKILL');
    await this.server?.kill('SIGTERM');
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async #story(agent?: string): Promise<string> {
    const tail = (text: string | undefined) => (text ?? '').split('\n').slice(-25).join('\n');
    const { stdout } = await this.kubectl(['get', 'nodes,pods,events', '-A', '-o', 'wide']).catch(() => ({
      stdout: '',
    }));
    const agents = [...this.agents].filter(([name]) => agent === undefined || name === agent);
    const logs = agents.map(([name, running]) => `--- agent ${name}\n${tail(running.output)}`);
    return [stdout, '--- server', tail(this.server?.output), ...logs].join('\n');
  }
}

interface PodObject {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  spec: { nodeName?: string };
  status: {
    phase: string;
    podIP?: string;
    conditions?: { type: string; status: string }[];
    containerStatuses?: {
      restartCount: number;
      containerID?: string;
      state: { running?: { startedAt: string } };
    }[];
  };
}

export interface PodFacts {
  name: string;
  uid: string;
  node: string | undefined;
  phase: string;
  ready: boolean;
  terminating: boolean;
  podIp: string | undefined;
  restarts: number;
  /** Of the first container. */
  containerId: string | undefined;
  startedAt: string | undefined;
}

function podFacts({ metadata, spec, status }: PodObject): PodFacts {
  const container = status.containerStatuses?.[0];
  return {
    name: metadata.name,
    uid: metadata.uid,
    node: spec.nodeName,
    phase: status.phase,
    ready:
      status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false,
    terminating: metadata.deletionTimestamp !== undefined,
    podIp: status.podIP,
    restarts: container?.restartCount ?? 0,
    containerId: container?.containerID,
    startedAt: container?.state.running?.startedAt,
  };
}
