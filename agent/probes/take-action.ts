import { type Clock, sleep } from '../../lib/clock.ts';
import type { ExecProcess } from '../drivers/driver.ts';
import type { Action } from './action.ts';

/** What came of an action. `unknown`: it could not be tried, which says nothing about the container. */
export interface Outcome {
  result: 'success' | 'failure' | 'warning' | 'unknown';
  /** For people, in kubelet's words where it has some. */
  message: string;
}

export interface Surroundings {
  clock: Clock;
  /** Where the pod is reached at this moment. */
  address: () => string;
  /** Runs a command in the container. */
  exec: (command: readonly string[]) => Promise<ExecProcess>;
}

/** As much of what an answer says is shown. */
export const answerBytesMax = 10 * 1024;

/**
 * Takes one action and tells what came of it; never rejects. Aborted through `signal`, whose reason must be a
 * TimeoutError where the time was up. Protocols are loaded when first used.
 */
export async function takeAction(
  action: Action,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    return await take(action, surroundings, signal);
  } catch (error) {
    if (signal.aborted) return { result: 'failure', message: abortMessage(signal) };
    return { result: 'failure', message: error instanceof Error ? error.message : String(error) };
  }
}

async function take(action: Action, surroundings: Surroundings, signal: AbortSignal): Promise<Outcome> {
  switch (action.type) {
    case 'exec':
      return takeExec(action.command, surroundings, signal);
    case 'httpGet': {
      const { getOverHttp } = await import('./http-get.ts');
      return getOverHttp({ ...action, host: action.host ?? surroundings.address() }, signal);
    }
    case 'tcpSocket': {
      const { connectOverTcp } = await import('./tcp-connect.ts');
      return connectOverTcp({ host: action.host ?? surroundings.address(), port: action.port }, signal);
    }
    case 'grpc': {
      const { checkOverGrpc } = await import('./grpc-health.ts');
      return checkOverGrpc({ ...action, host: surroundings.address() }, signal);
    }
    case 'sleep':
      await sleep(surroundings.clock, action.seconds * 1000, signal);
      return { result: 'success', message: '' };
    case 'impossible':
      return { result: 'unknown', message: action.message };
  }
}

/** Both channels together are what the command has to say. */
async function takeExec(
  command: readonly string[],
  { exec }: Surroundings,
  signal: AbortSignal,
): Promise<Outcome> {
  let child: ExecProcess;
  try {
    child = await exec(command);
  } catch (error) {
    return { result: 'unknown', message: error instanceof Error ? error.message : String(error) };
  }
  const kill = () => child.kill();
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  try {
    const said = await readOutput(child, signal);
    const exitCode = await orAborted(child.exit, signal);
    if (exitCode === 0) return { result: 'success', message: said };
    return { result: 'failure', message: said || `command exited with ${exitCode}` };
  } catch (error) {
    if (!signal.aborted) throw error;
    return { result: 'failure', message: `command ${JSON.stringify(command.join(' '))} timed out` };
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

async function readOutput(child: ExecProcess, signal: AbortSignal): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const output = child.output()[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await orAborted(output.next(), signal);
      if (next.done) break;
      const part = next.value.data.subarray(0, answerBytesMax - bytes);
      if (part.length > 0) parts.push(part);
      bytes += part.length;
    }
  } finally {
    void output.return?.();
  }
  return Buffer.concat(parts).toString().trim();
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new Error(abortMessage(signal)));
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

export function abortMessage(signal: AbortSignal): string {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason.message : 'aborted';
}
