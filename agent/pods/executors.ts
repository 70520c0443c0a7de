import type { ContainerHandle, RuntimeDriver } from '../drivers/driver.ts';
import { DriverError } from '../drivers/errors.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import type { Limiter } from './limiter.ts';
import type { PodEvent } from './pod-state.ts';
import type { Executors, Step, StepType } from './steps.ts';

export interface ExecutorOptions {
  driver: RuntimeDriver;
  /**
   * Keeps a small board from starting a hundred containers at the same moment; stops do not count, they mostly
   * wait.
   */
  operations: Limiter;
  pulls: Limiter;
  volumes: PodVolumes;
}

/** Takes one step; never rejects: what went wrong is an event too. */
export async function execute(
  executors: Executors<PodEvent>,
  step: Step,
  signal: AbortSignal,
): Promise<PodEvent> {
  try {
    return await dispatch(executors, step, signal);
  } catch (error) {
    return signal.aborted ? { type: 'abandoned', step } : failure(step, error);
  }
}

export function createExecutors({
  driver,
  operations,
  pulls,
  volumes,
}: ExecutorOptions): Executors<PodEvent> {
  return {
    createSandbox: ({ spec }) =>
      operations.run(async () => {
        const handle = await driver.createSandbox(spec);
        return { type: 'sandboxCreated', handle, state: await driver.inspectSandbox(handle) };
      }),
    async removeSandbox({ handle }) {
      await operations.run(() => driver.removeSandbox(handle));
      return { type: 'sandboxRemoved', handle };
    },
    prepareVolumes: ({ pod, inputs }, signal) =>
      operations.run(async () => {
        await volumes.prepare(pod, signal);
        return { type: 'volumesPrepared', inputs };
      }),
    async removeVolumes({ podUid }) {
      await operations.run(() => volumes.remove(podUid));
      return { type: 'volumesRemoved' };
    },
    async pullImage({ container, image, policy }, signal) {
      const { imageId } = await pulls.run(
        async () => (await driver.pull?.(image, { policy, signal })) ?? { imageId: '' },
        signal,
      );
      return { type: 'imagePulled', container, image, imageId };
    },
    runContainer: (details) =>
      operations.run(async () => {
        const { podUid } = details.spec;
        const mounts = await volumes.mounts(podUid, details.mounts).catch((cause: unknown) => {
          throw new DriverError('CreateContainerConfigError', wordsOf(cause), { cause });
        });
        return runContainer(driver, { ...details, spec: { ...details.spec, mounts } });
      }),
    async stopContainer({ handle, graceMs }) {
      await driver.stop(handle, { graceMs });
      return { type: 'containerStopped', handle, state: await driver.inspect(handle) };
    },
    async removeContainer({ handle }) {
      await operations.run(() => driver.remove(handle));
      return { type: 'containerRemoved', handle };
    },
  };
}

async function runContainer(
  driver: RuntimeDriver,
  { spec, sandbox, created, mounts }: Omit<Extract<Step, { type: 'runContainer' }>, 'type'>,
): Promise<PodEvent> {
  const handle = created ?? (await driver.create(spec, sandbox));
  const image = spec.image;
  try {
    await driver.start(handle);
  } catch (error) {
    // Whether it began is asked, never guessed: an attempt that runs although its start failed must not get a twin.
    const state = await driver.inspect(handle).catch(() => undefined);
    if (state?.state === 'running' || state?.state === 'exited') {
      return { type: 'containerStarted', handle, image, state };
    }
    const used = error instanceof DriverError && error.code === 'RunContainerError' && state !== undefined;
    return failure(
      { type: 'runContainer', spec, sandbox, created, mounts },
      error,
      used ? handle : undefined,
    );
  }
  // It runs; whoever plans next finds out what state it is in if this fails.
  const state = await driver.inspect(handle).catch(() => undefined);
  return { type: 'containerStarted', handle, image, state };
}

function dispatch(executors: Executors<PodEvent>, step: Step, signal: AbortSignal): Promise<PodEvent> {
  const executor = executors[step.type] as (step: Step, signal: AbortSignal) => Promise<PodEvent>;
  return executor(step, signal);
}

function failure(step: Step, error: unknown, created?: ContainerHandle): PodEvent {
  const message = wordsOf(error);
  const code = error instanceof DriverError ? error.code : codeOf[step.type];
  return { type: 'failed', step, code, message, ...(created ? { created } : {}) };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** For errors that a driver gave no code. */
const codeOf: Record<StepType, string> = {
  createSandbox: 'CreatePodSandboxError',
  removeSandbox: 'KillPodSandboxError',
  prepareVolumes: 'FailedMount',
  removeVolumes: 'FailedUnmount',
  pullImage: 'ErrImagePull',
  runContainer: 'CreateContainerError',
  stopContainer: 'KillContainerError',
  removeContainer: 'RemoveContainerError',
};
