import type { Clock } from '../../lib/clock.ts';
import type { PodDevices } from '../devices/pod-devices.ts';
import type { ContainerHandle, ContainerState, RuntimeDriver } from '../drivers/driver.ts';
import { DriverError } from '../drivers/errors.ts';
import { fetchImage, type ImageFetching } from '../images/fetch-image.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import type { Limiter } from './limiter.ts';
import { leastGraceMs } from './plan-ending.ts';
import type { PodEvent } from './pod-state.ts';
import { prepareContainer } from './prepare-container.ts';
import type { Executors, Step, StepDetails, StepType, StopContainer } from './steps.ts';
import { takeHook } from './take-hook.ts';
import { inspectWithMessage } from './termination-message.ts';

export interface ExecutorOptions {
  driver: RuntimeDriver;
  clock: Clock;
  /**
   * Keeps a small board from starting a hundred containers at the same moment; stops do not count, they mostly
   * wait.
   */
  operations: Limiter;
  images: ImageFetching;
  volumes: PodVolumes;
  devices: PodDevices;
  /** Bytes that the container of this process could not give back; undefined where that is not known. */
  memoryInUse: (pid: number) => Promise<number | undefined>;
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

export function createExecutors(options: ExecutorOptions): Executors<PodEvent> {
  const { driver, clock, operations, images, volumes } = options;
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
    // Both may wait long for somebody else (a token, a file server) and must not hold other pods up meanwhile.
    async prepareVolumes({ pod, inputs }, signal) {
      await volumes.prepare(pod, signal);
      return { type: 'volumesPrepared', inputs };
    },
    async removeVolumes({ podUid }) {
      await volumes.remove(podUid);
      return { type: 'volumesRemoved' };
    },
    async pullImage(step, signal) {
      const { container, image } = step;
      const found = await fetchImage(driver, step, images, signal);
      return { type: 'imagePulled', container, image, ...found };
    },
    runContainer: (step) =>
      operations.run(async () => {
        const { details, used } = await prepareContainer(step, options);
        return { ...(await runContainer(driver, details)), ...used };
      }),
    async postStart({ handle, hook }, signal) {
      const problem = await takeHook(hook, handle, { driver, clock, signal });
      signal.throwIfAborted();
      const step: Extract<Step, { type: 'postStart' }> = { type: 'postStart', handle, hook };
      return { type: 'hookEnded', step, ...(problem === undefined ? {} : { problem }) };
    },
    stopContainer: (details, signal) => stopContainer(options, details, signal),
    async stopSandbox({ handle }) {
      await operations.run(() => driver.stopSandbox(handle));
      return { type: 'sandboxStopped' };
    },
    resizeContainer: (details) => operations.run(() => resizeContainer(options, details)),
    async removeContainer({ handle }) {
      await operations.run(() => driver.remove(handle));
      return { type: 'containerRemoved', handle };
    },
  };
}

async function runContainer(
  driver: RuntimeDriver,
  details: Omit<Extract<Step, { type: 'runContainer' }>, 'type'>,
): Promise<PodEvent> {
  const { spec, sandbox, created, granted, podLimits } = details;
  // With less than the others of the pod use it starts all the same: they are on their way to less.
  await driver.updateSandbox?.(sandbox, podLimits, 'exact').catch(() => undefined);
  const handle = created ?? (await driver.create(spec, sandbox));
  const image = spec.image;
  try {
    await driver.start(handle);
  } catch (error) {
    // Whether it began is asked, never guessed: an attempt that runs although its start failed must not get a twin.
    const state = await driver.inspect(handle).catch(() => undefined);
    if (state?.state === 'running' || state?.state === 'exited') {
      return { type: 'containerStarted', handle, image, granted, state: unlessEnded(state) };
    }
    const used = error instanceof DriverError && error.code === 'RunContainerError' && state !== undefined;
    return failure({ type: 'runContainer', ...details }, error, used ? handle : undefined);
  }
  // It runs; whoever plans next finds out what state it is in if this fails.
  const state = await driver.inspect(handle).catch(() => undefined);
  return { type: 'containerStarted', handle, image, granted, state: unlessEnded(state) };
}

/**
 * The kernel would kill a container that is beyond its new limit: better it stays as it is, and the pod says so (source:
 * kubelet, doPodResizeAction).
 */
async function resizeContainer(
  { driver, memoryInUse }: ExecutorOptions,
  { handle, resources, limits, sandbox, podLimits, lowersMemory }: StepDetails['resizeContainer'],
): Promise<PodEvent> {
  if (!driver.update)
    throw new DriverError('ResizeError', `${driver.name} cannot resize a running container`);
  const { memoryLimitBytes = 0 } = limits;
  const seen = lowersMemory ? await driver.inspect(handle) : undefined;
  const usedBytes = seen?.state === 'running' ? await memoryInUse(seen.pid) : undefined;
  if (usedBytes !== undefined && usedBytes > memoryLimitBytes)
    throw new DriverError(
      'ResizeError',
      `attempting to set container ${handle.container} memory limit (${memoryLimitBytes}) below current usage (${usedBytes})`,
    );
  // A pod gets more before its containers do, and less after they have (source: kubelet, doPodResizeAction).
  if (sandbox) await driver.updateSandbox?.(sandbox, podLimits, 'raise');
  await driver.update(handle, limits);
  if (sandbox) await driver.updateSandbox?.(sandbox, podLimits, 'exact');
  return { type: 'containerResized', handle, resources };
}

/** An end is looked at by the worker, who takes down the container's last word with it. */
function unlessEnded(state: ContainerState | undefined): ContainerState | undefined {
  return state?.state === 'exited' ? undefined : state;
}

/** The hook and the container's own good-bye share the grace period; a hurried stop cuts the hook short. */
async function stopContainer(
  { driver, clock }: ExecutorOptions,
  { handle, graceMs, preStop, container }: StopContainer,
  signal: AbortSignal,
): Promise<PodEvent> {
  const begunAtMs = clock.monotonic();
  let hookProblem: string | undefined;
  if (preStop) {
    const timeUp = new AbortController();
    const timer = clock.after(graceMs, () => timeUp.abort(new Error('the grace period is over')));
    const hookSignal = AbortSignal.any([signal, timeUp.signal]);
    hookProblem = await takeHook(preStop, handle, { driver, clock, signal: hookSignal });
    timer.cancel();
    if (signal.aborted) hookProblem = undefined;
  }
  const leftMs = Math.ceil(
    Math.max(graceMs - (clock.monotonic() - begunAtMs), Math.min(leastGraceMs, graceMs)),
  );
  await driver.stop(handle, { graceMs: leftMs });
  const state = await inspectWithMessage(driver, handle, container);
  return { type: 'containerStopped', handle, state, ...(hookProblem === undefined ? {} : { hookProblem }) };
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
  postStart: 'PostStartHookError',
  stopContainer: 'KillContainerError',
  resizeContainer: 'ResizeError',
  stopSandbox: 'KillPodSandboxError',
  removeContainer: 'RemoveContainerError',
};
