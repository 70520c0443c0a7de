import { basename, dirname } from 'node:path';
import { tidy, wholeNumber } from '../host/host-files.ts';
import type { DeviceFiles } from './device-files.ts';
import { attributesOf, type Sighting } from './found-device.ts';

/** GPIO chips, I2C and SPI buses, watchdogs and TPMs: soldered on, named by where they are in the machine. */
export async function findBoardDevices(files: DeviceFiles): Promise<Sighting[]> {
  const found = await Promise.all([
    findGpioChips(files),
    findI2cBuses(files),
    findSpiDevices(files),
    findWatchdogs(files),
    findTpms(files),
  ]);
  return found.flat();
}

async function findGpioChips(files: DeviceFiles): Promise<Sighting[]> {
  const names = await files.names('/sys/bus/gpio/devices');
  const chips = names.filter((name) => /^gpiochip\d+$/.test(name));
  return Promise.all(
    chips.map(async (name): Promise<Sighting> => {
      const device = (await files.resolve(`/sys/bus/gpio/devices/${name}`)) ?? name;
      const parent = dirname(device);
      const { label, lines } = await legacyView(files, parent);
      const id = parent === '.' || parent.endsWith('/virtual') ? name : basename(parent);
      return {
        kind: 'gpio',
        id,
        place: name,
        attributes: attributesOf({ label: label || id, lines }),
        nodes: [`/dev/${name}`],
      };
    }),
  );
}

/** Label and size are told by the older interface alone. */
async function legacyView(
  files: DeviceFiles,
  parent: string,
): Promise<{ label: string; lines: number | undefined }> {
  const folder = `${parent}/gpio`;
  const chip = (await files.names(folder)).find((name) => name.startsWith('gpiochip'));
  if (chip === undefined) return { label: '', lines: undefined };
  const [label, lines] = await Promise.all([
    files.read(`${folder}/${chip}/label`),
    files.read(`${folder}/${chip}/ngpio`),
  ]);
  return { label: tidy(label), lines: wholeNumber(lines) };
}

async function findI2cBuses(files: DeviceFiles): Promise<Sighting[]> {
  const names = await files.names('/sys/class/i2c-dev');
  return Promise.all(
    names.map(async (name): Promise<Sighting> => {
      const [label, adapter] = await Promise.all([
        files.read(`/sys/class/i2c-dev/${name}/name`),
        files.resolve(`/sys/class/i2c-dev/${name}/device`),
      ]);
      const parent = basename(dirname(adapter ?? name));
      return {
        kind: 'i2c',
        id: /^(?:\.?|virtual|i2c-adapter)$/.test(parent) ? name : parent,
        place: name,
        attributes: attributesOf({ label: tidy(label), bus: Number(name.replace('i2c-', '')) }),
        nodes: [`/dev/${name}`],
      };
    }),
  );
}

async function findSpiDevices(files: DeviceFiles): Promise<Sighting[]> {
  const names = await files.names('/sys/class/spidev');
  return Promise.all(
    names.map(async (name): Promise<Sighting> => {
      const [, bus = '', select = ''] = /^spidev(\d+)\.(\d+)$/.exec(name) ?? [];
      const device = await files.resolve(`/sys/class/spidev/${name}/device`);
      // …/fe204000.spi/spi_master/spi0/spi0.0
      const controller = /([^/]+)\/spi_master\//.exec(device ?? '')?.[1];
      return {
        kind: 'spi',
        id: controller === undefined ? name : `${controller}-${select}`,
        place: name,
        attributes: attributesOf({ bus: Number(bus), chipSelect: Number(select) }),
        nodes: [`/dev/${name}`],
      };
    }),
  );
}

async function findWatchdogs(files: DeviceFiles): Promise<Sighting[]> {
  const names = await files.names('/sys/class/watchdog');
  return Promise.all(
    names.map(async (name): Promise<Sighting> => {
      const identity = tidy(await files.read(`/sys/class/watchdog/${name}/identity`));
      const attributes = attributesOf({ identity });
      return { kind: 'watchdog', id: identity || name, place: name, attributes, nodes: [`/dev/${name}`] };
    }),
  );
}

async function findTpms(files: DeviceFiles): Promise<Sighting[]> {
  const names = await files.names('/sys/class/tpm');
  return Promise.all(
    names.map(async (name): Promise<Sighting> => {
      const [major, inDev] = await Promise.all([
        files.read(`/sys/class/tpm/${name}/tpm_version_major`),
        files.names('/dev'),
      ]);
      // The kernel's resource manager lets several programs use it side by side.
      const node = [name.replace('tpm', 'tpmrm'), name].find((one) => inDev.includes(one)) ?? name;
      return {
        kind: 'tpm',
        id: name,
        attributes: attributesOf({ version: wholeNumber(major) }),
        nodes: [`/dev/${node}`],
      };
    }),
  );
}
