import type { Container, Pod } from '../../protocol/generated/models.ts';
import type { ContainerHandle, ContainerState, RuntimeDriver } from '../drivers/driver.ts';

/** What a container leaves behind for people when it ends, within Kubernetes' limits. */
export const messageBytesMax = 4096;
const logLinesMax = 80;
const logBytesMax = 2048;
/** All messages of a pod together. */
const podMessageBytesMax = 12 * 1024;

export const terminationMessagePathDefault = '/dev/termination-log';

/**
 * The state of a container and, when it has ended, its message: from its file, or the end of its log where it asks
 * for that and failed. A message that cannot be read keeps no end from being seen.
 */
export async function inspectWithMessage(
  driver: RuntimeDriver,
  handle: ContainerHandle,
  container: Container | undefined,
): Promise<ContainerState> {
  const state = await driver.inspect(handle);
  if (state.state !== 'exited') return state;
  const written = await driver.terminationMessage?.(handle).catch(() => undefined);
  if (written) return { ...state, message: clipped(written, messageBytesMax) };
  const fallsBack = container?.terminationMessagePolicy === 'FallbackToLogsOnError' && state.exitCode !== 0;
  const logged = fallsBack ? await endOfLog(driver, handle).catch(() => '') : '';
  return logged === '' ? state : { ...state, message: logged };
}

async function endOfLog(driver: RuntimeDriver, handle: ContainerHandle): Promise<string> {
  if (!driver.logs) return '';
  const parts: Uint8Array[] = [];
  const options = {
    follow: false,
    tailLines: logLinesMax,
    limitBytes: undefined,
    sinceMs: undefined,
    timestamps: false,
  };
  for await (const part of driver.logs(handle, options, new AbortController().signal)) parts.push(part);
  return Buffer.concat(parts).subarray(-logBytesMax).toString();
}

/** How much of a message is shown: the pod's containers share what there is. */
export function messageShare({ spec }: Pod): number {
  const containers =
    (spec?.containers.length ?? 0) +
    (spec?.initContainers?.length ?? 0) +
    (spec?.ephemeralContainers?.length ?? 0);
  return Math.min(messageBytesMax, Math.floor(podMessageBytesMax / Math.max(1, containers)));
}

/** The first so many bytes, in whole characters. */
export function clipped(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text;
  return new TextDecoder().decode(bytes.subarray(0, bytesMax), { stream: true });
}
