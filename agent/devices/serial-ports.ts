import { basename, dirname } from 'node:path';
import { tidy } from '../host/host-files.ts';
import type { DeviceFiles } from './device-files.ts';
import { attributesOf, type Sighting } from './found-device.ts';
import { usbAncestor, usbAttributes, usbNames } from './usb-devices.ts';

const byId = '/dev/serial/by-id';

/** Serial ports that something can be at: plugged in, or soldered on. PCs list many that are not there. */
export async function findSerialPorts(files: DeviceFiles): Promise<Sighting[]> {
  const [names, links] = await Promise.all([files.names('/sys/class/tty'), linksById(files)]);
  const ports = names.filter((name) => /^tty(?:USB|ACM|AMA|S|mxc|THS|O)\d+$/.test(name));
  const found = await Promise.all(
    ports.map(async (name): Promise<Sighting[]> => {
      const folder = `/sys/class/tty/${name}/device`;
      const device = await files.resolve(folder);
      if (device === undefined) return [];
      const usb = await usbAncestor(files, folder);
      const node = `/dev/${name}`;
      if (!usb) return onBoard(files, { name, device, node });
      const link = links.get(name);
      const { id, place } = usbNames(usb);
      // One adapter may have several ports; udev's name tells them apart, as does the interface.
      const port = /:\d+\.(\d+)/.exec(device)?.[1] ?? '0';
      return [
        {
          kind: 'serial',
          id: link ?? `${id}-if${port.padStart(2, '0')}`,
          place,
          attributes: { ...usbAttributes(usb), ...attributesOf({ bus: 'usb', id: link }) },
          nodes: [node],
        },
      ];
    }),
  );
  return found.flat();
}

async function onBoard(
  files: DeviceFiles,
  { name, device, node }: { name: string; device: string; node: string },
): Promise<Sighting[]> {
  if (tidy(await files.read(`/sys/class/tty/${name}/type`)) === '0') return [];
  const parent = /serial8250|serial-base|:\d/.test(basename(device))
    ? basename(dirname(device))
    : basename(device);
  // Some machines have several ports below one device.
  return [
    {
      kind: 'serial',
      id: name,
      place: parent,
      attributes: attributesOf({ bus: 'board', id: name }),
      nodes: [node],
    },
  ];
}

/** By the kernel's name, what udev calls it. */
async function linksById(files: DeviceFiles): Promise<Map<string, string>> {
  const names = await files.names(byId);
  const links = await Promise.all(
    names.map(async (name) => [basename((await files.link(`${byId}/${name}`)) ?? ''), name] as const),
  );
  return new Map(links);
}
