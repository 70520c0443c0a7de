import type { HostFiles } from '../../agent/host/host-files.ts';
import type { Host } from '../../agent/host/node-monitor.ts';

export interface SimulatedSize {
  cpus: number;
  memoryBytes: number;
}

/** A board that exists only in what the agent reads of it: its /proc and /sys, made up. */
export function simulatedHost(name: string, { cpus, memoryBytes }: SimulatedSize): Host {
  const kibibytes = Math.floor(memoryBytes / 1024);
  const contents: Readonly<Record<string, string>> = {
    '/proc/meminfo': `MemTotal: ${kibibytes} kB\nMemAvailable: ${Math.floor(kibibytes * 0.8)} kB\n`,
    '/proc/loadavg': '0.00 0.00 0.00 1/100 100',
    '/proc/sys/kernel/pid_max': '32768',
    '/proc/sys/kernel/osrelease': 'simulated',
    '/etc/machine-id': name,
    '/etc/os-release': 'PRETTY_NAME="Simulated device"',
  };
  const files: HostFiles = {
    read: (path) => Promise.resolve(contents[path]),
    space: () =>
      Promise.resolve({
        totalBytes: diskBytes,
        availableBytes: diskBytes * 0.8,
        totalInodes: 1_000_000,
        freeInodes: 900_000,
      }),
  };
  return {
    files,
    interfaces: () => ({}),
    cpuCount: cpus,
    architecture: process.arch,
    hostname: name,
    addressFacing: () => Promise.resolve('192.0.2.1'),
    describeHardware: () => Promise.resolve({ model: 'Simulated device', systemUuid: name }),
  };
}

const diskBytes = 32 * 2 ** 30;
