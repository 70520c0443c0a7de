import { readdir, readFile } from 'node:fs/promises';
import { memoryUsage } from 'node:process';
import type { Clock } from './clock.ts';
import type { Metrics } from './metrics.ts';

/**
 * What this process uses, under the names that Prometheus' own client libraries have. Linux only; elsewhere left
 * out.
 */
export function measureProcess(metrics: Metrics, clock: Clock): void {
  const startSeconds = (clock.now() - process.uptime() * 1_000) / 1_000;
  const gauge = (name: string, help: string, values: () => number | Promise<number>) =>
    metrics.read({ name, help, type: 'gauge', values });
  metrics.read({
    name: 'process_cpu_seconds_total',
    help: 'Total user and system CPU time spent in seconds.',
    type: 'counter',
    values: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  });
  gauge(
    'process_start_time_seconds',
    'Start time of the process since unix epoch in seconds.',
    () => startSeconds,
  );
  gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', () => memoryUsage.rss());
  gauge('process_virtual_memory_bytes', 'Virtual memory size in bytes.', virtualBytes);
  gauge(
    'process_open_fds',
    'Number of open file descriptors.',
    async () => (await readdir('/proc/self/fd')).length,
  );
  gauge('process_max_fds', 'Maximum number of open file descriptors.', maxFiles);
  const heap = (name: string, help: string, field: 'heapTotal' | 'heapUsed' | 'external') =>
    gauge(name, help, () => process.memoryUsage()[field]);
  heap('nodejs_heap_size_total_bytes', 'Size of the JavaScript heap in bytes.', 'heapTotal');
  heap('nodejs_heap_size_used_bytes', 'What of the JavaScript heap is used, in bytes.', 'heapUsed');
  heap('nodejs_external_memory_bytes', 'Memory of buffers outside the JavaScript heap in bytes.', 'external');
  gauge(
    'nodejs_eventloop_utilization',
    'Share of time that the event loop was busy since the start.',
    () => performance.eventLoopUtilization().utilization,
  );
}

async function virtualBytes(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  return Number(/^VmSize:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

async function maxFiles(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
}
