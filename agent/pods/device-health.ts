import { deviceDriver, deviceKinds } from '../../protocol/devices.ts';
import type { ContainerStatus, ResourceStatus } from '../../protocol/generated/models.ts';
import type { ContainerRecord } from './pod-record.ts';

export interface DeviceHealthOptions {
  /** The pool of its devices. */
  nodeName: string;
  /** The files that a device (`kind/name`) has now. */
  deviceNodes?: ((key: string) => string | undefined) | undefined;
}

/** How the devices are that a running container was given: one that is unplugged is not healthy until it is back. */
export function deviceHealth(
  { uses = {}, exit }: ContainerRecord,
  { nodeName, deviceNodes }: DeviceHealthOptions,
): Pick<ContainerStatus, 'allocatedResourcesStatus'> {
  const entries = Object.entries(uses);
  if (exit || !deviceNodes || entries.length === 0) return {};
  const allocatedResourcesStatus = entries.map(
    ([name, keys]): ResourceStatus => ({
      name,
      resources: keys.map((key) => {
        const present = deviceNodes(key) !== undefined;
        const resourceID = name.startsWith('claim:') ? qualified(key, nodeName) : key;
        if (present) return { resourceID, health: 'Healthy' };
        return { resourceID, health: 'Unhealthy', message: 'the device is unplugged' };
      }),
    }),
  );
  return { allocatedResourcesStatus };
}

/** `driver/pool/device`, as for every device of a claim. */
function qualified(key: string, nodeName: string): string {
  const [kind, device = ''] = key.split('/');
  const known = deviceKinds.find((one) => one === kind);
  return known === undefined ? key : `${deviceDriver(known)}/${nodeName}/${device}`;
}
