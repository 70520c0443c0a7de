import { dirname, join } from 'node:path';
import { tidy } from '../host/host-files.ts';
import type { DeviceFiles } from './device-files.ts';
import { attributesOf, type Sighting } from './found-device.ts';

export interface UsbIdentity {
  vendor: string;
  product: string;
  serial: string;
  manufacturer: string;
  model: string;
  /** The port, as the kernel names it: `1-1.2`. */
  port: string;
}

const hubClass = '09';
const ancestorsMax = 12;

/** Everything plugged in but hubs. */
export async function findUsbDevices(files: DeviceFiles): Promise<Sighting[]> {
  const names = await files.names('/sys/bus/usb/devices');
  // Interfaces have a colon in their names, root hubs begin with `usb`.
  const devices = names.filter((name) => /^\d+-[\d.]+$/.test(name));
  const found = await Promise.all(
    devices.map(async (name): Promise<Sighting[]> => {
      const folder = `/sys/bus/usb/devices/${name}`;
      const [usb, deviceClass, bus, number] = await Promise.all([
        readIdentity(files, folder, name),
        text(files, folder, 'bDeviceClass'),
        text(files, folder, 'busnum'),
        text(files, folder, 'devnum'),
      ]);
      if (!usb || deviceClass === hubClass) return [];
      return [
        {
          kind: 'usb',
          ...usbNames(usb),
          attributes: usbAttributes(usb),
          nodes: [`/dev/bus/usb/${bus.padStart(3, '0')}/${number.padStart(3, '0')}`],
        },
      ];
    }),
  );
  return found.flat();
}

/** The USB device that something below /sys/devices belongs to. */
export async function usbAncestor(files: DeviceFiles, path: string): Promise<UsbIdentity | undefined> {
  let folder = await files.resolve(path);
  for (let depth = 0; folder !== undefined && folder !== '/' && depth < ancestorsMax; depth += 1) {
    const usb = await readIdentity(files, folder, folder.slice(folder.lastIndexOf('/') + 1));
    if (usb) return usb;
    folder = dirname(folder);
  }
  return undefined;
}

/** By its serial number where it has one, else by the port it is at. */
export function usbNames({ vendor, product, serial, port }: UsbIdentity): { id: string; place: string } {
  return { id: `${vendor}-${product}-${serial === '' ? `at-${port}` : serial}`, place: port };
}

export function usbAttributes({ vendor, product, serial, manufacturer, model, port }: UsbIdentity) {
  return attributesOf({ vendor, product, serial, manufacturer, model, port });
}

async function readIdentity(
  files: DeviceFiles,
  folder: string,
  port: string,
): Promise<UsbIdentity | undefined> {
  const vendor = await text(files, folder, 'idVendor');
  if (vendor === '') return undefined;
  const [product, serial, manufacturer, model] = await Promise.all(
    ['idProduct', 'serial', 'manufacturer', 'product'].map((name) => text(files, folder, name)),
  );
  return {
    vendor,
    product: product ?? '',
    serial: serial ?? '',
    manufacturer: manufacturer ?? '',
    model: model ?? '',
    port,
  };
}

async function text(files: DeviceFiles, folder: string, name: string): Promise<string> {
  return tidy(await files.read(join(folder, name)));
}
