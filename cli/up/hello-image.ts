import { run } from '../../lib/exec.ts';
import { CommandError } from '../command.ts';

/** As examples/hello/container.yaml names it. */
export const helloImage = 'localhost/flotilla-hello:1';

const engineTimeoutMs = 30_000;
const importTimeoutMs = 180_000;

/**
 * Makes the example's image, once, from the Node that runs this program and the libraries it is linked to: nothing is
 * downloaded, and it fits the machine's architecture.
 */
export async function ensureHelloImage(engine: string, signal: AbortSignal): Promise<void> {
  const present = await run(engine, ['image', 'inspect', helloImage], { timeoutMs: engineTimeoutMs, signal });
  if (present.exitCode === 0) return;
  const node = process.execPath;
  const linked = await run('ldd', [node], { timeoutMs: engineTimeoutMs, signal });
  const libraries = [...linked.stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
  const script =
    'tar -chf - --transform "s,^.*/node\\$,node," "$@" 2>/dev/null | "$ENGINE" import - "$IMAGE"';
  const imported = await run('sh', ['-c', script, 'sh', node, ...libraries], {
    timeoutMs: importTimeoutMs,
    signal,
    environment: { ...definedEnvironment(), ENGINE: engine, IMAGE: helloImage },
  });
  if (imported.exitCode !== 0)
    throw new CommandError(`${engine} could not import the example's image: ${imported.stderr.trim()}`);
}

function definedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}
