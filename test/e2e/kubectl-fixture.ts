import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiFixture, openApi } from '../unit/server/api/api-fixture.ts';

/** The real kubectl against the real API server, registry and memory store in this process. */
export interface KubectlFixture extends AsyncDisposable {
  api: ApiFixture;
  /** A folder for the test's files; kubectl runs in it. */
  directory: string;
  run(args: readonly string[], input?: string): Promise<Result>;
  /** Standard output of a run that must succeed. */
  ok(args: string, input?: string): Promise<string>;
  /** Standard error of a run that must fail. */
  fails(args: string, input?: string): Promise<string>;
  start(args: readonly string[]): ChildProcess;
  /** What a run prints that has a terminal of 100 × 30. */
  terminal(args: string): Promise<string>;
}

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

const program = process.env.KUBECTL ?? 'kubectl';

export function kubectlIsMissing(): Promise<string | false> {
  return isMissing(program, ['version', '--client']);
}

/** `script` gives a program a terminal. */
export function scriptIsMissing(): Promise<string | false> {
  return isMissing('script', ['--version']);
}

async function isMissing(name: string, args: readonly string[]): Promise<string | false> {
  const child = spawn(name, args, { stdio: 'ignore' });
  const found = await new Promise<boolean>((resolve) => {
    child.on('error', () => resolve(false));
    child.on('exit', (code) => resolve(code === 0));
  });
  return found ? false : `${name} is not installed`;
}

export async function openKubectl(): Promise<KubectlFixture> {
  const api = await openApi();
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-kubectl-'));
  writeFileSync(join(directory, 'kubeconfig'), JSON.stringify(kubeconfig(api)));
  const env = { ...process.env, KUBECONFIG: join(directory, 'kubeconfig'), HOME: directory };

  function start(args: readonly string[]): ChildProcess {
    return spawn(program, args, { cwd: directory, env, stdio: 'pipe' });
  }

  function run(args: readonly string[], input = ''): Promise<Result> {
    return finish(start(args), input);
  }

  async function finish(child: ChildProcess, input: string): Promise<Result> {
    const output = { stdout: '', stderr: '' };
    child.stdout?.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve(code ?? -1));
    });
    return { code, ...output };
  }

  return {
    api,
    directory,
    run,
    start,
    async ok(args, input) {
      const { code, stdout, stderr } = await run(words(args), input);
      if (code !== 0) throw new Error(`kubectl ${args}: exit ${code}\n${stdout}${stderr}`);
      return stdout;
    },
    async fails(args, input) {
      const { code, stdout, stderr } = await run(words(args), input);
      if (code === 0) throw new Error(`kubectl ${args} should have failed\n${stdout}`);
      return stderr;
    },
    async terminal(args) {
      const command = `stty cols 100 rows 30; exec ${program} ${args}`;
      const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: directory, env, stdio: 'pipe' });
      return (await finish(child, '')).stdout;
    },
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function words(args: string): string[] {
  return args.split(' ').filter((word) => word !== '');
}

function kubeconfig({ server, authority }: ApiFixture) {
  const cluster = {
    server: `https://127.0.0.1:${server.port}`,
    'certificate-authority-data': Buffer.from(authority.ca).toString('base64'),
  };
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'admin', user: { token: 'admin-token' } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'test',
  };
}
