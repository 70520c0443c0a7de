import type { Logger } from '../../lib/log.ts';
import type { RuntimeDriver } from '../drivers/driver.ts';
import type { recover } from './recovery.ts';

const orphanGraceMs = 10_000;

/** Stops and removes what is ours and belongs to no pod; what stays is found again by the next relist. */
export async function removeOrphans(
  driver: RuntimeDriver,
  orphans: ReturnType<typeof recover>['orphans'],
  log: Logger,
): Promise<void> {
  const stopped = orphans.containers.map(async (handle) => {
    log.info('removing an unknown container', { runtime: driver.name, pod: handle.podUid, id: handle.id });
    await driver.stop(handle, { graceMs: orphanGraceMs });
    await driver.remove(handle);
  });
  const results = await Promise.allSettled(stopped);
  const removed = orphans.sandboxes.map((handle) => driver.removeSandbox(handle));
  for (const result of [...results, ...(await Promise.allSettled(removed))]) {
    if (result.status === 'rejected')
      log.warn('an unknown container stays for now', { error: result.reason });
  }
}
