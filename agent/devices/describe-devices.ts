import { type DeviceKind, deviceDriver, deviceKinds } from '../../protocol/devices.ts';
import type { NodeReport } from '../../protocol/topics/sync.ts';
import type { FoundDevice } from './found-device.ts';

/** Kinds that stay with the host, so that a label may speak of them. */
const labelled: readonly DeviceKind[] = ['camera', 'gpio', 'gpu', 'i2c', 'spi', 'tpm'];
/** The kernel shares a chip's lines among those who open it, so that counting chips takes nothing from a claim. */
export const gpioChipResource = 'flotilla.dev/gpiochip';

export function keyOfDevice({ kind, name }: FoundDevice): string {
  return `${kind}/${name}`;
}

/** `flotilla.dev/has-gpu=true`. */
export function deviceLabels(devices: readonly FoundDevice[]): Record<string, string> {
  const present = labelled.filter((kind) => devices.some((device) => device.kind === kind));
  return Object.fromEntries(present.map((kind) => [`flotilla.dev/has-${kind}`, 'true']));
}

/** The devices that count as one resource or another, by its name. */
export function countedDevices(devices: readonly FoundDevice[]): Map<string, FoundDevice[]> {
  const counted = new Map<string, FoundDevice[]>();
  for (const device of devices) {
    const own = device.kind === 'file' ? device.attributes['resource'] : undefined;
    const resource = typeof own === 'string' ? own : device.kind === 'gpio' ? gpioChipResource : undefined;
    if (resource !== undefined) counted.set(resource, [...(counted.get(resource) ?? []), device]);
  }
  return counted;
}

/** For the server to make ResourceSlices of: without device files, whose names mean nothing elsewhere. */
export function reportedDevices(devices: readonly FoundDevice[]): NonNullable<NodeReport['devices']> {
  const kinds: readonly string[] = deviceKinds;
  return devices
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ kind, name, attributes }) => ({ driver: deviceDriver(kind as DeviceKind), name, attributes }));
}
