import type { PreparedDevices } from '../devices/pod-devices.ts';
import type { ContainerSpec } from '../drivers/driver.ts';
import { DriverError } from '../drivers/errors.ts';
import { putFileVariables } from './environment-files.ts';
import type { ExecutorOptions } from './executors.ts';
import type { StepDetails } from './steps.ts';

export interface PreparedContainer {
  details: StepDetails['runContainer'];
  /** What it was given of the host's devices; absent when it asked for none. */
  used: Partial<Pick<PreparedDevices, 'bound' | 'uses'>>;
}

/**
 * What a container is to have of the device, found when it is made: values from files, where its volumes are, its
 * devices. Rejects with a DriverError `CreateContainerConfigError`.
 */
export async function prepareContainer(
  step: StepDetails['runContainer'],
  { driver, volumes, devices }: Pick<ExecutorOptions, 'driver' | 'volumes' | 'devices'>,
): Promise<PreparedContainer> {
  const details = await putFileVariables(step, volumes);
  const { podUid, security, image } = details.spec;
  try {
    const mounts = await volumes.mounts(podUid, details.mounts);
    const blocks = volumes.blockDevices(podUid, details.blocks ?? []);
    const own = blocks.length > 0 ? { devices: blocks } : {};
    const spec = { ...details.spec, mounts, ...own };
    if (!details.devices) return { details: { ...details, spec }, used: {} };
    const how = { security, seesHost: driver.seesHost?.(image) ?? false };
    const prepared = await devices.prepare(podUid, details.devices, how);
    const { bound, uses } = prepared;
    return { details: { ...details, spec: withDevices(spec, prepared) }, used: { bound, uses } };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DriverError('CreateContainerConfigError', why, { cause });
  }
}

function withDevices(spec: ContainerSpec, { devices, environment, groups }: PreparedDevices): ContainerSpec {
  const { security } = spec;
  return {
    ...spec,
    devices: [...(spec.devices ?? []), ...devices],
    // What the author wrote wins.
    environment: { ...environment, ...spec.environment },
    security: groups.length > 0 ? { ...security, groups: [...(security.groups ?? []), ...groups] } : security,
  };
}
