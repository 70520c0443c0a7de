import type { ContainerHandle, RuntimeDriver } from '../drivers/driver.ts';
import type { PodWorker } from './pod-worker.ts';

export type ContainerNotFoundCode = 'PodNotFound' | 'ContainerNotStarted' | 'PreviousNotFound';

/** Worded as kubelet does: kubectl shows it as it is. */
export class ContainerNotFoundError extends Error {
  readonly code: ContainerNotFoundCode;

  constructor(code: ContainerNotFoundCode, message: string) {
    super(message);
    this.name = 'ContainerNotFoundError';
    this.code = code;
  }
}

/** While a container waits for its restart, its ended attempt is at once the current one and the previous. */
export function findContainer(
  worker: Pick<PodWorker, 'record' | 'driver' | 'waitingReason'> | undefined,
  { podUid, container, previous }: { podUid: string; container: string; previous: boolean },
): { driver: RuntimeDriver; handle: ContainerHandle } {
  if (!worker) throw new ContainerNotFoundError('PodNotFound', `pod "${podUid}" is not on this node`);
  const { record, driver } = worker;
  const known = record.containers[container];
  const reason = worker.waitingReason(container);
  if (previous) {
    const handle = known?.exit && reason !== undefined ? known.handle : known?.previous?.handle;
    if (handle) return { driver, handle };
    throw new ContainerNotFoundError(
      'PreviousNotFound',
      `previous terminated container "${container}" in pod "${record.name}" not found`,
    );
  }
  if (known) return { driver, handle: known.handle };
  throw new ContainerNotFoundError(
    'ContainerNotStarted',
    `container "${container}" in pod "${record.name}" is waiting to start: ${startWords(reason)}`,
  );
}

function startWords(reason: string | undefined): string {
  if (reason === 'ErrImagePull') return "image can't be pulled";
  if (reason === 'ImagePullBackOff') return 'trying and failing to pull image';
  return reason ?? 'ContainerCreating';
}
