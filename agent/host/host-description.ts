import { extname } from 'node:path';
import { run } from '../../lib/exec.ts';
import type { HostFiles } from './host-files.ts';
import { tidy } from './host-files.ts';

/** What does not change while the host is up. */
export interface HostDescription {
  machineId: string;
  systemUuid: string;
  kernelVersion: string;
  osImage: string;
  /** Of the board or machine, as its maker calls it. */
  model: string;
}

/** What only systeminformation knows to find on all sorts of machines. */
export interface HardwareDescription {
  model: string;
  systemUuid: string;
}

export async function readHostDescription(files: HostFiles): Promise<HostDescription> {
  const read = async (path: string) => tidy(await files.read(path));
  const [machineId, dmiUuid, deviceTreeSerial, kernelVersion, osRelease, deviceTreeModel, vendor, product] =
    await Promise.all([
      read('/etc/machine-id'),
      read('/sys/class/dmi/id/product_uuid'),
      read('/proc/device-tree/serial-number'),
      read('/proc/sys/kernel/osrelease'),
      read('/etc/os-release'),
      read('/proc/device-tree/model'),
      read('/sys/class/dmi/id/sys_vendor'),
      read('/sys/class/dmi/id/product_name'),
    ]);
  return {
    machineId,
    systemUuid: dmiUuid || deviceTreeSerial || machineId,
    kernelVersion,
    osImage: /^PRETTY_NAME="?([^"\n]*)"?/m.exec(osRelease)?.[1] ?? 'Linux',
    model: deviceTreeModel || [vendor, product].filter((part) => part !== '').join(' '),
  };
}

/**
 * Asks systeminformation in a process of its own: loaded into the agent it would keep 13 MB of memory for good
 * (docs/decisions/0071). Undefined when that does not work; nothing depends on it.
 */
export async function describeHardware(signal: AbortSignal): Promise<HardwareDescription | undefined> {
  // Next to this file, among the sources (.ts) as in the bundle (.mjs).
  const program = new URL(`./describe-hardware${extname(import.meta.filename)}`, import.meta.url).href;
  const script =
    'const program = await import(process.argv[1]); console.log(JSON.stringify(await program.describeHardware()));';
  try {
    const args = ['--input-type=module', '--eval', script, program];
    const { exitCode, stdout } = await run(process.execPath, args, { timeoutMs: describeTimeoutMs, signal });
    return exitCode === 0 ? parseHardware(JSON.parse(stdout)) : undefined;
  } catch {
    return undefined;
  }
}

/** Slow boards take seconds to start a second Node. */
const describeTimeoutMs = 60_000;

export function parseHardware(value: unknown): HardwareDescription | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { model, systemUuid } = value as Record<string, unknown>;
  return typeof model === 'string' && typeof systemUuid === 'string' ? { model, systemUuid } : undefined;
}
