import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import type { Pod } from '../../protocol/generated/models.ts';
import { desire } from '../support/desire.ts';
import { eventually } from '../support/eventually.ts';

/** Real agents as processes of their own, real workloads, no server. */
const program = join(import.meta.dirname, '../support/offline-agent.ts');

class Machine {
  readonly dataDir: string;
  readonly starts: string;
  #agent: ChildProcess | undefined;

  constructor(folder: string) {
    this.dataDir = join(folder, 'data');
    this.starts = join(folder, 'starts');
  }

  /** A process that notes its pid at every start. */
  pod(spec: object = {}): Pod {
    const command = ['/bin/sh', '-c', `echo $$$$ >> ${this.starts}; exec sleep 1000`];
    return {
      metadata: { name: 'web', namespace: 'default', uid: 'u1' },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'app', image: 'host', command }],
        ...spec,
      },
    };
  }

  get pids(): number[] {
    if (!existsSync(this.starts)) return [];
    return readFileSync(this.starts, 'utf8').split('\n').slice(0, -1).map(Number);
  }

  async startAgent(): Promise<void> {
    const agent = spawn(process.execPath, [program, this.dataDir], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#agent = agent;
    let output = '';
    agent.stdout.on('data', (data: Buffer) => (output += data.toString()));
    agent.stderr.on('data', (data: Buffer) => (output += data.toString()));
    await eventually(() => output.includes('settled') || agent.exitCode !== null, 'the agent settles');
    assert.equal(agent.exitCode, null, output);
  }

  async endAgent(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const agent = this.#agent;
    this.#agent = undefined;
    if (!agent) return;
    agent.kill(signal);
    await once(agent, 'exit');
  }
}

async function machine(context: TestContext): Promise<Machine> {
  // Not in /tmp: a process has one of its own.
  const folder = await mkdtemp('/var/tmp/flotilla-');
  const made = new Machine(folder);
  context.after(async () => {
    await made.endAgent('SIGKILL');
    await desire(made.dataDir);
    await made.startAgent();
    await eventually(() => !made.pids.some(alive), 'the workloads are gone');
    await made.endAgent('SIGTERM');
    await rm(folder, { recursive: true, force: true });
  });
  return made;
}

function alive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

suite('an agent without a server', () => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    test(`starts processes from disk; after ${signal} the next one adopts them`, async (context) => {
      const host = await machine(context);
      await desire(host.dataDir, host.pod());
      await host.startAgent();
      await eventually(() => host.pids.length === 1, 'the process runs');
      await host.endAgent(signal);
      assert.ok(host.pids.every(alive), 'the process outlives the agent');
      await host.startAgent();
      await host.endAgent(signal);
      assert.equal(host.pids.length, 1, 'nothing was started twice');
      assert.ok(host.pids.every(alive));
    });
  }

  test('restarts a process that ended while no agent ran', async (context) => {
    const host = await machine(context);
    await desire(host.dataDir, host.pod());
    await host.startAgent();
    await eventually(() => host.pids.length === 1, 'the process runs');
    await host.endAgent('SIGKILL');
    const [pid = 0] = host.pids;
    process.kill(pid, 'SIGKILL');
    await eventually(() => !alive(pid), 'the process is gone');
    await host.startAgent();
    await eventually(() => host.pids.length === 2, 'the process runs again');
  });

  test('ends what the set no longer names', async (context) => {
    const host = await machine(context);
    await desire(host.dataDir, host.pod());
    await host.startAgent();
    await eventually(() => host.pids.length === 1, 'the process runs');
    await host.endAgent('SIGKILL');
    await desire(host.dataDir);
    await host.startAgent();
    await eventually(() => !host.pids.some(alive), 'the process is gone');
  });
});
