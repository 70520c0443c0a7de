import { basename } from 'node:path';
import { tidy } from '../host/host-files.ts';
import type { DeviceFiles } from './device-files.ts';
import { attributesOf, type Sighting } from './found-device.ts';

/** Industrial I/O (with device files), hardware monitors and 1-wire thermometers (read from /sys, where all may look). */
export async function findSensors(files: DeviceFiles): Promise<Sighting[]> {
  const found = await Promise.all([iioDevices(files), monitors(files), oneWireDevices(files)]);
  return found.flat();
}

async function iioDevices(files: DeviceFiles): Promise<Sighting[]> {
  const folder = '/sys/bus/iio/devices';
  const names = (await files.names(folder)).filter((name) => name.startsWith('iio:device'));
  return Promise.all(
    names.map(async (name): Promise<Sighting> => {
      const [title, device] = await Promise.all([
        files.read(`${folder}/${name}/name`),
        files.resolve(`${folder}/${name}`),
      ]);
      const place = parentName(device);
      const attributes = attributesOf({ interface: 'iio', model: tidy(title), place });
      return {
        kind: 'sensor',
        id: `iio-${tidy(title)}-${place}`,
        place: name,
        attributes,
        nodes: [`/dev/${name}`],
      };
    }),
  );
}

async function monitors(files: DeviceFiles): Promise<Sighting[]> {
  const folder = '/sys/class/hwmon';
  const names = await files.names(folder);
  return Promise.all(
    names.map(async (name): Promise<Sighting> => {
      const [title, device] = await Promise.all([
        files.read(`${folder}/${name}/name`),
        files.resolve(`${folder}/${name}/device`),
      ]);
      const place = basename(device ?? '');
      const attributes = attributesOf({ interface: 'hwmon', model: tidy(title), place });
      const id = `hwmon-${tidy(title) || name}${place === '' ? '' : `-${place}`}`;
      return { kind: 'sensor', id, place: name, attributes, nodes: [] };
    }),
  );
}

async function oneWireDevices(files: DeviceFiles): Promise<Sighting[]> {
  const names = await files.names('/sys/bus/w1/devices');
  return names
    .filter((name) => /^[0-9a-f]{2}-[0-9a-f]{12}$/.test(name))
    .map((name) => ({
      kind: 'sensor',
      id: `w1-${name}`,
      attributes: attributesOf({ interface: 'w1', family: name.slice(0, 2), id: name }),
      nodes: [],
    }));
}

function parentName(device: string | undefined): string {
  const parts = (device ?? '').split('/');
  return parts[parts.length - 2] ?? '';
}
