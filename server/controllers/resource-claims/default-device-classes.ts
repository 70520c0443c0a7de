import { deviceDriver, deviceKinds } from '../../../protocol/devices.ts';
import { deviceClassKind } from '../../../protocol/kinds/device-class.ts';
import { isStatus } from '../../../protocol/status.ts';
import { defineController } from '../define-controller.ts';

/** Makes a class for each kind of device that agents find, at each start where it is missing. */
export const deviceClassController = defineController({
  name: 'default-device-classes',
  workers: 1,
  setup({ registry }, enqueue) {
    for (const kind of deviceKinds) enqueue(deviceDriver(kind));
    return async (name) => {
      const selectors = [{ cel: { expression: `device.driver == "${name}"` } }];
      await registry
        .create(deviceClassKind, { metadata: { name }, spec: { selectors } })
        .catch((error: unknown) => {
          if (!isStatus(error, 'AlreadyExists')) throw error;
        });
    };
  },
});
