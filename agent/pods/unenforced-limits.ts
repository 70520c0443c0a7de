import type { Pod } from '../../protocol/generated/models.ts';
import type { RuntimeDriver } from '../drivers/driver.ts';
import type { StatusOutbox } from '../link/status-outbox.ts';

/** Tells of a pod that it has limits which its runtime does not enforce here. */
export function tellUnenforced(
  { metadata, spec }: Pod,
  driver: Pick<RuntimeDriver, 'unenforced'> | undefined,
  outbox: Pick<StatusOutbox, 'reportEvent'>,
): void {
  const unenforced = driver?.unenforced;
  if (!unenforced || !spec) return;
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  const limits = [spec.resources, ...containers.map(({ resources }) => resources)].map((one) => one?.limits);
  const concerned = unenforced.resources.filter((name) => limits.some((one) => one?.[name] !== undefined));
  if (concerned.length === 0) return;
  const message = `Limits of ${concerned.join(' and ')} are not enforced on this node (${unenforced.reason}); its condition LimitsNotEnforced says what to do`;
  outbox.reportEvent({ uid: metadata?.uid ?? '', type: 'Warning', reason: 'LimitsNotEnforced', message });
}
