import { basename } from 'node:path';
import { tidy } from '../host/host-files.ts';
import type { DeviceFiles } from './device-files.ts';
import { attributesOf, type Sighting } from './found-device.ts';

const nvidiaFolder = '/proc/driver/nvidia/gpus';
const nvidiaShared = ['nvidiactl', 'nvidia-uvm', 'nvidia-uvm-tools', 'nvidia-modeset'];

/** What can draw or compute: the kernel's own render nodes, and those of NVIDIA's driver. */
export async function findGpus(files: DeviceFiles): Promise<Sighting[]> {
  return [...(await renderNodes(files)), ...(await nvidiaCards(files))];
}

async function renderNodes(files: DeviceFiles): Promise<Sighting[]> {
  const names = (await files.names('/sys/class/drm')).filter((name) => /^renderD\d+$/.test(name));
  const found = await Promise.all(
    names.map(async (name): Promise<Sighting[]> => {
      const folder = `/sys/class/drm/${name}/device`;
      const [device, vendor, product, driver, siblings] = await Promise.all([
        files.resolve(folder),
        files.read(`${folder}/vendor`),
        files.read(`${folder}/device`),
        files.resolve(`${folder}/driver`),
        files.names(`${folder}/drm`),
      ]);
      const driverName = basename(driver ?? '');
      // Its own driver says more of it.
      if (driverName === 'nvidia') return [];
      const cards = siblings.filter((one) => /^card\d+$/.test(one));
      return [
        {
          kind: 'gpu',
          id: device === undefined ? name : basename(device),
          place: name,
          attributes: attributesOf({
            driver: driverName,
            vendor: hexOf(vendor),
            product: hexOf(product),
            address: basename(device ?? ''),
          }),
          nodes: [name, ...cards].map((one) => `/dev/dri/${one}`),
        },
      ];
    }),
  );
  return found.flat();
}

async function nvidiaCards(files: DeviceFiles): Promise<Sighting[]> {
  const [addresses, inDev] = await Promise.all([files.names(nvidiaFolder), files.names('/dev')]);
  const shared = nvidiaShared.filter((name) => inDev.includes(name)).map((name) => `/dev/${name}`);
  return Promise.all(
    addresses.map(async (address): Promise<Sighting> => {
      const text = (await files.read(`${nvidiaFolder}/${address}/information`)) ?? '';
      const field = (name: string) => new RegExp(`^${name}:\\s*(.+)$`, 'm').exec(text)?.[1]?.trim();
      const minor = field('Device Minor') ?? '0';
      return {
        kind: 'gpu',
        id: field('GPU UUID') ?? address,
        place: address,
        attributes: attributesOf({ driver: 'nvidia', model: field('Model'), vendor: '10de', address }),
        nodes: [`/dev/nvidia${minor}`, ...shared],
      };
    }),
  );
}

function hexOf(text: string | undefined): string {
  return tidy(text).replace(/^0x/, '');
}
