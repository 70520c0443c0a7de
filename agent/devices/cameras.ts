import { tidy } from '../host/host-files.ts';
import type { DeviceFiles } from './device-files.ts';
import { attributesOf, type Sighting } from './found-device.ts';
import { usbAncestor, usbAttributes, usbNames } from './usb-devices.ts';

/** What the board's receivers of camera pictures are called, and the processors that libcamera needs beside them. */
const receivers = /unicam|rp1-cfe|rkisp|rkcif|sun6i-csi|imx7-csi|tegra-video/;
const processors = /bcm2835-isp|pispbe/;
const video = '/sys/class/video4linux';

interface VideoNode {
  name: string;
  /** As its driver calls it. */
  title: string;
  device: string;
}

/** USB cameras, each with all its files; and the board's own camera connectors where a sensor answered. */
export async function findCameras(files: DeviceFiles): Promise<Sighting[]> {
  const names = await files.names(video);
  const nodes = await Promise.all(
    names.map(async (name): Promise<VideoNode> => {
      const [title, device] = await Promise.all([
        files.read(`${video}/${name}/name`),
        files.resolve(`${video}/${name}/device`),
      ]);
      return { name, title: tidy(title), device: device ?? '' };
    }),
  );
  return [...(await usbCameras(files, nodes)), ...(await boardCameras(files, nodes))];
}

async function usbCameras(files: DeviceFiles, nodes: readonly VideoNode[]): Promise<Sighting[]> {
  const found = new Map<string, Sighting>();
  for (const { name, title, device } of nodes) {
    const usb = await usbAncestor(files, device);
    if (!usb) continue;
    const known = found.get(device);
    found.set(device, {
      kind: 'camera',
      ...usbNames(usb),
      attributes: { ...usbAttributes(usb), ...attributesOf({ bus: 'usb', label: title }) },
      nodes: [...(known?.nodes ?? []), `/dev/${name}`],
    });
  }
  return [...found.values()];
}

/** A sensor is a sub-device `imx219 10-0010`: its model, and the I2C bus and address that it answers at. */
async function boardCameras(files: DeviceFiles, nodes: readonly VideoNode[]): Promise<Sighting[]> {
  const sensors = nodes.flatMap(({ name, title }) => {
    const [, sensor, place] = name.startsWith('v4l-subdev')
      ? (/^(\S+) (\d+-[0-9a-f]{4})$/.exec(title) ?? [])
      : [];
    return sensor === undefined || place === undefined ? [] : [{ sensor, place }];
  });
  if (sensors.length === 0) return [];
  const [media, heaps] = await Promise.all([mediaOf(files), files.names('/dev/dma_heap')]);
  const used = nodes.filter(
    ({ title, name, device }) =>
      receivers.test(title) ||
      receivers.test(device) ||
      processors.test(title) ||
      name.startsWith('v4l-subdev'),
  );
  const all = [
    ...used.map(({ name }) => `/dev/${name}`),
    ...media,
    ...heaps.map((name) => `/dev/dma_heap/${name}`),
  ];
  return sensors.map(({ sensor, place }) => ({
    kind: 'camera',
    id: `csi-${sensor}-${place}`,
    attributes: attributesOf({ bus: 'csi', sensor, port: place }),
    nodes: all,
  }));
}

async function mediaOf(files: DeviceFiles): Promise<string[]> {
  const names = (await files.names('/sys/bus/media/devices')).filter((name) => /^media\d+$/.test(name));
  const found = await Promise.all(
    names.map(async (name) => {
      const device = (await files.resolve(`/sys/bus/media/devices/${name}`)) ?? '';
      const model = tidy(await files.read(`/sys/bus/media/devices/${name}/model`));
      const isOurs = [receivers, processors].some((one) => one.test(model) || one.test(device));
      return isOurs ? [`/dev/${name}`] : [];
    }),
  );
  return found.flat();
}
