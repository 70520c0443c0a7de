import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * A folder that looks like /sys, /proc and /dev of another machine: text is a file, `->` a link (absolute paths are the
 * tree's own), and '' below /dev stands for a device file. Written after the listings of real boards.
 */
export type TreeEntries = Readonly<Record<string, string>>;

export class HostTree implements AsyncDisposable {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async make(...parts: readonly TreeEntries[]): Promise<HostTree> {
    // Host processes have a /tmp of their own and are to see this.
    const tree = new HostTree(await mkdtemp('/var/tmp/flotilla-host-'));
    for (const part of parts) await tree.add(part);
    return tree;
  }

  async add(entries: TreeEntries): Promise<void> {
    for (const [path, content] of Object.entries(entries)) {
      const at = join(this.root, path);
      await mkdir(dirname(at), { recursive: true });
      if (!content.startsWith('-> ')) await writeFile(at, content);
      else {
        const target = content.slice(3);
        await symlink(target.startsWith('/') ? join(this.root, target) : target, at);
      }
    }
  }

  async remove(...paths: readonly string[]): Promise<void> {
    for (const path of paths) await rm(join(this.root, path), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}

const soc = '/sys/devices/platform/soc';
const pcie = '/sys/devices/platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0';

/** A Raspberry Pi 4 with Raspberry Pi OS 12, a camera on its connector, a thermometer on 1-wire. */
export const pi4: TreeEntries = {
  [`${soc}/fe200000.gpio/gpiochip0/dev`]: '254:0\n',
  [`${soc}/fe200000.gpio/gpio/gpiochip512/label`]: 'pinctrl-bcm2711\n',
  [`${soc}/fe200000.gpio/gpio/gpiochip512/ngpio`]: '58\n',
  '/sys/bus/gpio/devices/gpiochip0': `-> ${soc}/fe200000.gpio/gpiochip0`,
  [`${soc}/fe804000.i2c/i2c-1/name`]: 'bcm2835 (i2c@7e804000)\n',
  [`${soc}/fe804000.i2c/i2c-1/i2c-dev/i2c-1/name`]: 'bcm2835 (i2c@7e804000)\n',
  [`${soc}/fe804000.i2c/i2c-1/i2c-dev/i2c-1/device`]: `-> ${soc}/fe804000.i2c/i2c-1`,
  '/sys/class/i2c-dev/i2c-1': `-> ${soc}/fe804000.i2c/i2c-1/i2c-dev/i2c-1`,
  [`${soc}/fe204000.spi/spi_master/spi0/spi0.0/modalias`]: 'spi:spidev\n',
  [`${soc}/fe204000.spi/spi_master/spi0/spi0.0/spidev/spidev0.0/device`]: `-> ${soc}/fe204000.spi/spi_master/spi0/spi0.0`,
  '/sys/class/spidev/spidev0.0': `-> ${soc}/fe204000.spi/spi_master/spi0/spi0.0/spidev/spidev0.0`,
  [`${soc}/fe801000.csi/video4linux/video0/name`]: 'unicam-image\n',
  [`${soc}/fe801000.csi/video4linux/video0/device`]: `-> ${soc}/fe801000.csi`,
  '/sys/class/video4linux/video0': `-> ${soc}/fe801000.csi/video4linux/video0`,
  '/sys/class/video4linux/video10/name': 'bcm2835-codec-decode\n',
  '/sys/class/video4linux/video13/name': 'bcm2835-isp-output0\n',
  '/sys/class/video4linux/v4l-subdev0/name': 'imx219 10-0010\n',
  '/sys/bus/media/devices/media0/model': 'unicam\n',
  '/sys/bus/media/devices/media3/model': 'rpivid\n',
  '/dev/dma_heap/linux,cma': '',
  '/sys/devices/platform/v3dbus/fec00000.v3d/drm/renderD128/dev': '226:128\n',
  '/sys/devices/platform/v3dbus/fec00000.v3d/drm/renderD128/device':
    '-> /sys/devices/platform/v3dbus/fec00000.v3d',
  '/sys/devices/platform/v3dbus/fec00000.v3d/drm/card0/dev': '226:0\n',
  '/sys/bus/platform/drivers/v3d/module': 'v3d',
  '/sys/devices/platform/v3dbus/fec00000.v3d/driver': '-> /sys/bus/platform/drivers/v3d',
  '/sys/class/drm/renderD128': '-> /sys/devices/platform/v3dbus/fec00000.v3d/drm/renderD128',
  '/sys/class/watchdog/watchdog0/identity': 'Broadcom BCM2835 Watchdog timer\n',
  '/sys/bus/w1/devices/28-0316a2794dff/name': '28-0316a2794dff\n',
  '/sys/bus/w1/devices/w1_bus_master1/w1_master_name': 'w1_bus_master1\n',
  '/sys/class/hwmon/hwmon1/name': 'rpi_volt\n',
  '/sys/class/hwmon/hwmon1/in0_lcrit_alarm': '0\n',
  [`${soc}/soc:firmware/get_throttled`]: '0\n',
  '/sys/class/thermal/thermal_zone0/temp': '48312\n',
  '/sys/class/thermal/thermal_zone0/trip_point_0_type': 'critical\n',
  '/sys/class/thermal/thermal_zone0/trip_point_0_temp': '110000\n',
  '/sys/block/mmcblk0/stat': '   100  0  200  10  50  0  4096  5  0  10  15\n',
  [`${pcie}/usb1/1-1/idVendor`]: '2109\n',
  [`${pcie}/usb1/1-1/idProduct`]: '3431\n',
  [`${pcie}/usb1/1-1/bDeviceClass`]: '09\n',
  '/sys/bus/usb/devices/1-1': `-> ${pcie}/usb1/1-1`,
  '/sys/class/tty/ttyS0/type': '0\n',
  '/sys/class/tty/ttyS0/device/uevent': '',
};

/** An FTDI adapter at a port of a Raspberry Pi 4's hub, as `ttyUSB<number>`. */
export function serialAdapter(options: {
  port: string;
  serial: string;
  number: number;
  device: number;
}): TreeEntries {
  const { port, serial, number, device } = options;
  const folder = `${pcie}/usb1/1-1/${port}`;
  const link = `usb-FTDI_FT232R_USB_UART_${serial}-if00-port0`;
  return {
    [`${folder}/idVendor`]: '0403\n',
    [`${folder}/idProduct`]: '6001\n',
    [`${folder}/bDeviceClass`]: '00\n',
    [`${folder}/busnum`]: '1\n',
    [`${folder}/devnum`]: `${device}\n`,
    [`${folder}/manufacturer`]: 'FTDI\n',
    [`${folder}/product`]: 'FT232R USB UART\n',
    [`${folder}/serial`]: `${serial}\n`,
    [`/sys/bus/usb/devices/${port}`]: `-> ${folder}`,
    [`${folder}/${port}:1.0/ttyUSB${number}/tty/ttyUSB${number}/dev`]: `188:${number}\n`,
    [`${folder}/${port}:1.0/ttyUSB${number}/tty/ttyUSB${number}/device`]: `-> ${folder}/${port}:1.0/ttyUSB${number}`,
    [`/sys/class/tty/ttyUSB${number}`]: `-> ${folder}/${port}:1.0/ttyUSB${number}/tty/ttyUSB${number}`,
    [`/dev/ttyUSB${number}`]: '',
    [`/dev/serial/by-id/${link}`]: `-> ../../ttyUSB${number}`,
  };
}

/** Its paths, to be removed when it is unplugged. */
export function adapterPaths({
  port,
  serial,
  number,
}: {
  port: string;
  serial: string;
  number: number;
}): string[] {
  return [
    `${pcie}/usb1/1-1/${port}`,
    `/sys/bus/usb/devices/${port}`,
    `/sys/class/tty/ttyUSB${number}`,
    `/dev/ttyUSB${number}`,
    `/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_${serial}-if00-port0`,
  ];
}

const rp1 = '/sys/devices/platform/axi/1000120000.pcie/1f00000000.rp1';

/** What is different on a Raspberry Pi 5: its ports are behind the RP1. */
export const pi5: TreeEntries = {
  [`${rp1}/1f000d0000.gpio/gpiochip0/dev`]: '254:0\n',
  [`${rp1}/1f000d0000.gpio/gpio/gpiochip569/label`]: 'pinctrl-rp1\n',
  [`${rp1}/1f000d0000.gpio/gpio/gpiochip569/ngpio`]: '54\n',
  '/sys/bus/gpio/devices/gpiochip0': `-> ${rp1}/1f000d0000.gpio/gpiochip0`,
  '/sys/devices/platform/soc@107c000000/107d508500.gpio/gpiochip10/dev': '254:10\n',
  '/sys/bus/gpio/devices/gpiochip10': '-> /sys/devices/platform/soc@107c000000/107d508500.gpio/gpiochip10',
  [`${rp1}/1f00110000.csi/video4linux/video0/name`]: 'rp1-cfe-csi2_ch0\n',
  '/sys/class/video4linux/video0': `-> ${rp1}/1f00110000.csi/video4linux/video0`,
  '/sys/class/video4linux/v4l-subdev2/name': 'imx708 11-001a\n',
  '/sys/bus/media/devices/media1/model': 'rp1-cfe\n',
  '/sys/class/thermal/thermal_zone0/temp': '61000\n',
};

const pci = '/sys/devices/pci0000:00';

/** A small PC with Intel and NVIDIA graphics, a webcam, a TPM, and an eMMC that tells its wear. */
export const pc: TreeEntries = {
  [`${pci}/0000:00:02.0/drm/renderD128/device`]: `-> ${pci}/0000:00:02.0`,
  [`${pci}/0000:00:02.0/drm/card1/dev`]: '226:1\n',
  [`${pci}/0000:00:02.0/vendor`]: '0x8086\n',
  [`${pci}/0000:00:02.0/device`]: '0x46d1\n',
  '/sys/bus/pci/drivers/i915/bind': '',
  [`${pci}/0000:00:02.0/driver`]: '-> /sys/bus/pci/drivers/i915',
  '/sys/class/drm/renderD128': `-> ${pci}/0000:00:02.0/drm/renderD128`,
  '/proc/driver/nvidia/gpus/0000:01:00.0/information':
    'Model: \t\t NVIDIA RTX A2000\nIRQ:   \t\t 160\nGPU UUID: \t GPU-5f0c7a3e-1111-2222-3333-444455556666\nDevice Minor: \t 0\n',
  '/dev/nvidia0': '',
  '/dev/nvidiactl': '',
  '/dev/nvidia-uvm': '',
  [`${pci}/0000:00:14.0/usb2/2-3/idVendor`]: '046d\n',
  [`${pci}/0000:00:14.0/usb2/2-3/idProduct`]: '0825\n',
  [`${pci}/0000:00:14.0/usb2/2-3/busnum`]: '2\n',
  [`${pci}/0000:00:14.0/usb2/2-3/devnum`]: '4\n',
  [`${pci}/0000:00:14.0/usb2/2-3/2-3:1.0/video4linux/video0/name`]: 'Webcam C270\n',
  [`${pci}/0000:00:14.0/usb2/2-3/2-3:1.0/video4linux/video0/device`]: `-> ${pci}/0000:00:14.0/usb2/2-3/2-3:1.0`,
  [`${pci}/0000:00:14.0/usb2/2-3/2-3:1.0/video4linux/video1/name`]: 'Webcam C270\n',
  [`${pci}/0000:00:14.0/usb2/2-3/2-3:1.0/video4linux/video1/device`]: `-> ${pci}/0000:00:14.0/usb2/2-3/2-3:1.0`,
  '/sys/class/video4linux/video0': `-> ${pci}/0000:00:14.0/usb2/2-3/2-3:1.0/video4linux/video0`,
  '/sys/class/video4linux/video1': `-> ${pci}/0000:00:14.0/usb2/2-3/2-3:1.0/video4linux/video1`,
  '/sys/bus/usb/devices/2-3': `-> ${pci}/0000:00:14.0/usb2/2-3`,
  '/sys/class/tpm/tpm0/tpm_version_major': '2\n',
  '/dev/tpm0': '',
  '/dev/tpmrm0': '',
  '/sys/block/mmcblk0/stat': '   100  0  200  10  50  0  4096  5  0  10  15\n',
  '/sys/block/mmcblk0/device/life_time': '0x03 0x02\n',
  '/sys/block/mmcblk0/device/pre_eol_info': '0x01\n',
  '/sys/class/power_supply/BAT0/type': 'Battery\n',
  '/sys/class/power_supply/BAT0/status': 'Discharging\n',
  '/sys/class/power_supply/BAT0/capacity': '64\n',
};
