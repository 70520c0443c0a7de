import type { Clock } from '../../lib/clock.ts';
import type { ContainerHandle, RuntimeDriver } from '../drivers/driver.ts';
import { DriverError } from '../drivers/errors.ts';
import { podAddress } from '../probes/pod-address.ts';
import { takeAction } from '../probes/take-action.ts';
import type { Hook } from './steps.ts';

/** Runs a lifecycle hook until it ends or `signal` says so. Resolves to what went wrong; undefined when nothing. */
export async function takeHook(
  hook: Hook,
  handle: ContainerHandle,
  { driver, clock, signal }: { driver: RuntimeDriver; clock: Clock; signal: AbortSignal },
): Promise<string | undefined> {
  const surroundings = {
    clock,
    address: () => podAddress(hook),
    exec: (command: readonly string[]) => execIn(driver, handle, command),
  };
  const { result, message } = await takeAction(hook.action, surroundings, signal);
  // The answer's status does not count, as in Kubernetes: that the server answered is enough.
  const answered = hook.action.type === 'httpGet' && message.startsWith('HTTP probe failed');
  return result === 'success' || result === 'warning' || answered ? undefined : message;
}

export async function execIn(driver: RuntimeDriver, handle: ContainerHandle, command: readonly string[]) {
  if (!driver.exec)
    throw new DriverError('NotFound', `runtime ${driver.name} runs no commands in containers`);
  return driver.exec(handle, { command, stdin: false, tty: false });
}
