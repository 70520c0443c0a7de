import { findBoardDevices } from './board-devices.ts';
import { findCameras } from './cameras.ts';
import type { DeviceFiles } from './device-files.ts';
import { attributesOf, type FoundDevice, nameDevices, type Sighting } from './found-device.ts';
import { findGpus } from './gpus.ts';
import { findSensors } from './sensors.ts';
import { findSerialPorts } from './serial-ports.ts';
import { findUsbDevices } from './usb-devices.ts';

/** Device files that the owner names, by the resource that they count as: `example.com/modem`. */
export type OwnDevices = Readonly<Record<string, readonly string[]>>;

/** A bound on what one host may say of itself: a Kubernetes ResourceSlice holds this many. */
export const devicesPerKindMax = 128;

/** Everything that this host has and a container may want, sorted by kind and name. Never rejects. */
export async function findDevices(files: DeviceFiles, own: OwnDevices): Promise<FoundDevice[]> {
  const found = await Promise.all([
    findUsbDevices(files),
    findSerialPorts(files),
    findBoardDevices(files),
    findCameras(files),
    findGpus(files),
    findSensors(files),
    findOwnDevices(files, own),
  ]);
  const count = new Map<string, number>();
  return nameDevices(found.flat()).filter(({ kind }) => {
    count.set(kind, (count.get(kind) ?? 0) + 1);
    return (count.get(kind) ?? 0) <= devicesPerKindMax;
  });
}

/** Named by the path that the owner wrote, so that a link such as /dev/serial/by-id/… is followed anew each time. */
async function findOwnDevices(files: DeviceFiles, own: OwnDevices): Promise<Sighting[]> {
  const wanted = Object.entries(own).flatMap(([resource, paths]) =>
    paths.map((path) => ({ resource, path })),
  );
  const found = await Promise.all(
    wanted.map(async ({ resource, path }): Promise<Sighting[]> => {
      const node = await files.resolve(path);
      if (node === undefined) return [];
      const attributes = attributesOf({ resource, path });
      return [{ kind: 'file', id: path.replace(/^\/dev\//, ''), attributes, nodes: [node] }];
    }),
  );
  return found.flat();
}
