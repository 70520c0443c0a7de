import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { countedDevices, deviceLabels, reportedDevices } from '../../../../agent/devices/describe-devices.ts';
import { deviceFiles } from '../../../../agent/devices/device-files.ts';
import { findDevices } from '../../../../agent/devices/find-devices.ts';
import { adapterPaths, HostTree, pc, pi4, pi5, serialAdapter, type TreeEntries } from './host-tree.ts';

const adapter = { port: '1-1.2', serial: 'A50285BI', number: 0, device: 5 };

async function found(...parts: readonly TreeEntries[]) {
  await using tree = await HostTree.make(...parts);
  return await findDevices(deviceFiles(tree.root), {});
}

async function names(...parts: readonly TreeEntries[]): Promise<string[]> {
  return (await found(...parts)).map(({ kind, name }) => `${kind}/${name}`);
}

suite('what is found on a host', () => {
  test('a Raspberry Pi 4, each thing named by where it is', async () => {
    assert.deepEqual(await names(pi4, serialAdapter(adapter)), [
      'camera/csi-imx219-10-0010',
      'gpio/fe200000-gpio',
      'gpu/fec00000-v3d',
      'i2c/fe804000-i2c',
      'sensor/hwmon-rpi-volt',
      'sensor/w1-28-0316a2794dff',
      'serial/usb-ftdi-ft232r-usb-uart-a50285bi-if00-port0',
      'spi/fe204000-spi-0',
      'usb/0403-6001-a50285bi',
      'watchdog/broadcom-bcm2835-watchdog-timer',
    ]);
  });

  test('a chip tells its label and lines, a camera its sensor and every file that libcamera needs', async () => {
    const devices = await found(pi4);
    const chip = devices.find(({ kind }) => kind === 'gpio');
    assert.deepEqual(chip?.attributes, { label: 'pinctrl-bcm2711', lines: 58 });
    assert.deepEqual(chip?.nodes, ['/dev/gpiochip0']);
    const camera = devices.find(({ kind }) => kind === 'camera');
    assert.equal(camera?.attributes['sensor'], 'imx219');
    assert.deepEqual(camera?.nodes.toSorted(), [
      '/dev/dma_heap/linux,cma',
      '/dev/media0',
      '/dev/v4l-subdev0',
      '/dev/video0',
      '/dev/video13',
    ]);
  });

  test('a Raspberry Pi 5, whose chips are behind another one', async () => {
    assert.deepEqual(await names(pi5), [
      'camera/csi-imx708-11-001a',
      'gpio/107d508500-gpio',
      'gpio/1f000d0000-gpio',
    ]);
  });

  test('a PC: both graphics, one webcam with two files, the resource manager of the TPM', async () => {
    const devices = await found(pc);
    assert.deepEqual(
      devices.map(({ kind, name, nodes }) => [`${kind}/${name}`, ...nodes]),
      [
        ['camera/046d-0825-at-2-3', '/dev/video0', '/dev/video1'],
        ['gpu/0000-00-02-0', '/dev/dri/renderD128', '/dev/dri/card1'],
        ['gpu/gpu-5f0c7a3e-1111-2222-3333-444455556666', '/dev/nvidia0', '/dev/nvidiactl', '/dev/nvidia-uvm'],
        ['tpm/tpm0', '/dev/tpmrm0'],
        ['usb/046d-0825-at-2-3', '/dev/bus/usb/002/004'],
      ],
    );
  });

  test('an empty machine has nothing, and that is no error', async () => {
    assert.deepEqual(await names({ '/dev/null': '' }), []);
  });
});

suite('names stay', () => {
  test('when a device is plugged in again elsewhere, with another number', async () => {
    await using tree = await HostTree.make(pi4, serialAdapter(adapter));
    const files = deviceFiles(tree.root);
    const serial = async () => (await findDevices(files, {})).filter(({ kind }) => kind === 'serial');
    const before = await serial();
    await tree.remove(...adapterPaths(adapter));
    assert.deepEqual(await serial(), []);
    await tree.add(serialAdapter({ ...adapter, port: '1-1.4', number: 3, device: 9 }));
    const after = await serial();
    assert.equal(after[0]?.name, before[0]?.name);
    assert.deepEqual(after[0]?.nodes, ['/dev/ttyUSB3']);
  });

  test('for twins that share a serial number by their ports, whichever came first', async () => {
    const twin = { ...adapter, serial: '0001' };
    const one = serialAdapter(twin);
    const other = serialAdapter({ ...twin, port: '1-1.4', number: 1, device: 6 });
    const usb = (list: string[]) => list.filter((name) => name.startsWith('usb/'));
    const expected = ['usb/0403-6001-0001-at-1-1-2', 'usb/0403-6001-0001-at-1-1-4'];
    const { '/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_0001-if00-port0': _hidden, ...unlinked } = other;
    assert.deepEqual(usb(await names(pi4, one, unlinked)), expected);
  });

  test('and are never too long for Kubernetes', async () => {
    const long = await names(serialAdapter({ ...adapter, serial: 'X'.repeat(100) }));
    for (const name of long) assert.match(name, /^[a-z0-9]+\/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
  });
});

suite('what a node says of its devices', () => {
  test('labels for what is soldered on, numbers for what is counted, the rest as devices', async () => {
    await using tree = await HostTree.make(pi4, serialAdapter(adapter));
    const own = { 'example.com/modem': ['/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0'] };
    const devices = await findDevices(deviceFiles(tree.root), own);
    assert.deepEqual(Object.keys(deviceLabels(devices)).sort(), [
      'flotilla.dev/has-camera',
      'flotilla.dev/has-gpio',
      'flotilla.dev/has-gpu',
      'flotilla.dev/has-i2c',
      'flotilla.dev/has-spi',
    ]);
    const counted = countedDevices(devices);
    assert.deepEqual([...counted.keys()], ['example.com/modem', 'flotilla.dev/gpiochip']);
    assert.deepEqual(counted.get('example.com/modem')?.[0]?.nodes, ['/dev/ttyUSB0']);
    const reported = reportedDevices(devices);
    assert.equal(
      reported.some(({ attributes }) => 'resource' in attributes),
      false,
    );
    const serial = reported.find(({ driver }) => driver === 'serial.flotilla.dev');
    assert.equal(serial?.attributes['vendor'], '0403');
    assert.equal(JSON.stringify(reported).includes('/dev/'), false, 'file names mean nothing elsewhere');
  });
});
