import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { DeviceFiles } from './device-files.ts';
import { findDevices, type OwnDevices } from './find-devices.ts';
import type { FoundDevice } from './found-device.ts';

export interface DeviceMonitorOptions {
  files: DeviceFiles;
  own: OwnDevices;
  clock: Clock;
  log: Logger;
}

/** How often a few folders' times are compared: what is plugged in is noticed as soon. */
export const lookIntervalMs = 3_000;
/** What has no file in /dev shows up with the next full look. */
export const fullLookIntervalMs = 10 * 60_000;
const folders = ['/dev', '/dev/dri', '/dev/serial/by-id', '/dev/bus/usb'];

/** What the host has, kept up to date: a handful of `stat` calls every three seconds, all the rest when one differs. */
export class DeviceMonitor implements Disposable {
  readonly #options: DeviceMonitorOptions;
  #devices: readonly FoundDevice[] = [];
  #stamps = '';
  #lookedAtMs = 0;
  #timer: Timer | undefined;
  #stopped = false;
  readonly #handlers = new Set<() => void>();

  constructor(options: DeviceMonitorOptions) {
    this.#options = options;
  }

  /** Resolves when the host was looked at. */
  async start(): Promise<void> {
    await this.look();
    this.#schedule();
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  get devices(): readonly FoundDevice[] {
    return this.#devices;
  }

  find(kind: string, name: string): FoundDevice | undefined {
    return this.#devices.find((device) => device.kind === kind && device.name === name);
  }

  onChange(handler: () => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  /** Looks now, for somebody who is about to use a device. */
  async look(): Promise<void> {
    const { files, own, clock } = this.#options;
    this.#stamps = await this.#readStamps();
    this.#lookedAtMs = clock.monotonic();
    const devices = await findDevices(files, own);
    if (isDeepStrictEqual(devices, this.#devices)) return;
    this.#tell(devices);
    this.#devices = devices;
    for (const handler of this.#handlers) handler();
  }

  #schedule(): void {
    if (this.#stopped) return;
    const { clock, log } = this.#options;
    this.#timer = clock.after(
      lookIntervalMs,
      () =>
        void this.#lookIfNeeded()
          .catch((error: unknown) => log.warn('devices could not be looked at', { error }))
          .finally(() => this.#schedule()),
      { unref: true },
    );
  }

  async #lookIfNeeded(): Promise<void> {
    const due = this.#options.clock.monotonic() - this.#lookedAtMs >= fullLookIntervalMs;
    if (due || (await this.#readStamps()) !== this.#stamps) await this.look();
  }

  async #readStamps(): Promise<string> {
    const { files } = this.#options;
    const buses = (await files.names('/dev/bus/usb')).map((name) => `/dev/bus/usb/${name}`);
    return (await Promise.all([...folders, ...buses].map((folder) => files.stamp(folder)))).join(' ');
  }

  #tell(devices: readonly FoundDevice[]): void {
    const key = ({ kind, name }: FoundDevice) => `${kind}/${name}`;
    const [before, now] = [new Set(this.#devices.map(key)), new Set(devices.map(key))];
    const added = [...now.difference(before)];
    const gone = [...before.difference(now)];
    if (added.length + gone.length > 0) this.#options.log.info('devices have changed', { added, gone });
  }
}
