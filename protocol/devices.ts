/**
 * The classes of devices that an agent finds. Each is a driver of resource.k8s.io, `<class>.flotilla.dev`, with a
 * DeviceClass of that name.
 */
export const deviceKinds = [
  'camera',
  'gpio',
  'gpu',
  'i2c',
  'sensor',
  'serial',
  'spi',
  'tpm',
  'usb',
  'watchdog',
] as const;
export type DeviceKind = (typeof deviceKinds)[number];

const domain = 'flotilla.dev';

export function deviceDriver(kind: DeviceKind): string {
  return `${kind}.${domain}`;
}

/** Conditions by which a device tells how it is; one that it cannot tell any more is no condition of its Node. */
export const healthConditionTypes = [
  'Overheated',
  'Throttled',
  'UnderVoltage',
  'StorageWornOut',
  'BatteryLow',
] as const;
export type HealthConditionType = (typeof healthConditionTypes)[number];

/** The attribute values of a device; text at most 64 characters, as Kubernetes allows. */
export type DeviceAttributes = Readonly<Record<string, string | number | boolean>>;
