import type { HealthConditionType } from '../../protocol/devices.ts';
import type { NodeReport } from '../../protocol/topics/sync.ts';
import { readWear, type Wear } from '../stats/flash-wear.ts';
import { tidy, wholeNumber } from './host-files.ts';

/** What is read of /sys to know how the machine itself is. */
export interface HealthFiles {
  read(path: string): Promise<string | undefined>;
  names(path: string): Promise<readonly string[]>;
}

/** How the machine is, as it says itself; undefined for what it cannot tell. */
export interface Health {
  /** Of the hottest part, and how hot it may become by its own account. */
  temperature: { celsius: number; criticalCelsius: number } | undefined;
  /** The processor is kept slow, for heat or want of power. */
  throttled: boolean | undefined;
  underVoltage: boolean | undefined;
  storage: { lifeUsed: number | undefined; worn: boolean } | undefined;
  battery: { percent: number | undefined; discharging: boolean } | undefined;
}

/** Type of each condition that is True, with the monotonic time at which it was last seen to be. */
export type Ailments = ReadonlyMap<HealthConditionType, number>;

/** What comes and goes by the second counts until it was gone this long. */
const relievedAfterMs = 5 * 60_000;

const criticalCelsiusDefault = 85;
/** Below the critical temperature: where a warning begins, and where it ends. */
const hotMarginCelsius = 5;
const coolMarginCelsius = 15;
const batteryLowPercent = 15;
const batteryFinePercent = 25;
const wornShare = 0.9;
/** Bits of the Raspberry Pi's firmware: under-voltage, frequency capped, throttled, soft temperature limit. */
const throttleBits = { underVoltage: 0x1, slow: 0x2 | 0x4 | 0x8 };
const throttledFile = '/sys/devices/platform/soc/soc:firmware/get_throttled';

export async function readHealth(files: HealthFiles): Promise<Health> {
  const [temperature, throttle, voltage, storage, battery] = await Promise.all([
    readTemperature(files),
    readThrottle(files),
    readVoltage(files),
    readStorage(files),
    readBattery(files),
  ]);
  return {
    temperature,
    throttled: throttle?.slow,
    underVoltage: throttle?.underVoltage ?? voltage,
    storage,
    battery,
  };
}

async function readTemperature(files: HealthFiles): Promise<Health['temperature']> {
  const folder = '/sys/class/thermal';
  const zones = (await files.names(folder)).filter((name) => /^thermal_zone\d+$/.test(name));
  const read = await Promise.all(
    zones.map(async (zone) => {
      const millis = Number(tidy(await files.read(`${folder}/${zone}/temp`)) || Number.NaN);
      const criticalCelsius = await readCritical(files, `${folder}/${zone}`);
      return { celsius: Math.round(millis / 1000), criticalCelsius };
    }),
  );
  const known = read.filter(({ celsius }) => Number.isFinite(celsius));
  const room = ({ celsius, criticalCelsius }: (typeof known)[number]) => criticalCelsius - celsius;
  return known.sort((one, other) => room(one) - room(other))[0];
}

async function readCritical(files: HealthFiles, zone: string): Promise<number> {
  const names = await files.names(zone);
  for (const name of names.filter((one) => /^trip_point_\d+_type$/.test(one))) {
    if (tidy(await files.read(`${zone}/${name}`)) !== 'critical') continue;
    const celsius = (wholeNumber(await files.read(`${zone}/${name.replace('_type', '_temp')}`)) ?? 0) / 1000;
    // Some firmware writes nonsense where it has no limit.
    if (celsius > 50 && celsius <= 130) return celsius;
  }
  return criticalCelsiusDefault;
}

async function readThrottle(files: HealthFiles) {
  const text = tidy(await files.read(throttledFile));
  if (!/^(?:0x)?[0-9a-f]+$/i.test(text)) return undefined;
  const bits = Number.parseInt(text.replace(/^0x/i, ''), 16);
  return {
    underVoltage: (bits & throttleBits.underVoltage) !== 0,
    slow: (bits & throttleBits.slow) !== 0,
  };
}

/** The kernel's own watch over the Raspberry Pi's supply. */
async function readVoltage(files: HealthFiles): Promise<boolean | undefined> {
  for (const name of await files.names('/sys/class/hwmon')) {
    const folder = `/sys/class/hwmon/${name}`;
    if (tidy(await files.read(`${folder}/name`)) !== 'rpi_volt') continue;
    const alarm = wholeNumber(await files.read(`${folder}/in0_lcrit_alarm`));
    return alarm === undefined ? undefined : alarm > 0;
  }
  return undefined;
}

async function readStorage(files: HealthFiles): Promise<Health['storage']> {
  const { disks }: Wear = await readWear(files);
  const told = disks.flatMap(({ lifeUsed }) => (lifeUsed === undefined ? [] : [lifeUsed]));
  const worn = disks.some((disk) => disk.worn);
  if (told.length === 0 && !worn) return undefined;
  return { lifeUsed: told.length > 0 ? Math.max(...told) : undefined, worn };
}

async function readBattery(files: HealthFiles): Promise<Health['battery']> {
  const folder = '/sys/class/power_supply';
  const supplies = await Promise.all(
    (await files.names(folder)).map(async (name) => {
      const [type, scope, status, capacity] = await Promise.all(
        ['type', 'scope', 'status', 'capacity'].map((file) => files.read(`${folder}/${name}/${file}`)),
      );
      return { type: tidy(type), scope: tidy(scope), status: tidy(status), percent: wholeNumber(capacity) };
    }),
  );
  // A mouse's battery is not the machine's.
  const own = supplies.filter(({ type, scope }) => type === 'Battery' && scope !== 'Device');
  if (own.length === 0) return undefined;
  const percents = own.flatMap(({ percent }) => (percent === undefined ? [] : [percent]));
  return {
    percent: percents.length > 0 ? Math.max(...percents) : undefined,
    discharging: own.some(({ status }) => status === 'Discharging'),
  };
}

/** What ails the machine now: what is near a limit stays as it was. */
export function ailmentsOf(health: Health, before: Ailments, nowMs: number): Ailments {
  const { temperature, throttled, underVoltage, storage, battery } = health;
  const now = new Map<HealthConditionType, number>();
  const note = (type: HealthConditionType, begins: boolean, lasts: boolean) => {
    const seenMs = before.get(type);
    if (begins) now.set(type, nowMs);
    else if (seenMs !== undefined && lasts) now.set(type, seenMs);
  };
  const isRecent = (type: HealthConditionType) =>
    nowMs - (before.get(type) ?? Number.NEGATIVE_INFINITY) < relievedAfterMs;
  if (temperature) {
    const room = temperature.criticalCelsius - temperature.celsius;
    note('Overheated', room <= hotMarginCelsius, room < coolMarginCelsius);
  }
  note('Throttled', throttled === true, isRecent('Throttled'));
  note('UnderVoltage', underVoltage === true, isRecent('UnderVoltage'));
  note(
    'StorageWornOut',
    storage?.worn === true || (storage?.lifeUsed ?? 0) >= wornShare,
    storage !== undefined,
  );
  if (battery?.percent !== undefined) {
    const { percent, discharging } = battery;
    note('BatteryLow', discharging && percent <= batteryLowPercent, percent < batteryFinePercent);
  }
  return now;
}

/**
 * One condition for each thing that the machine can tell. Messages hold no measurements: a report is written when
 * something turns, not when a degree changes.
 */
export function healthConditions(health: Health, ailments: Ailments): NodeReport['conditions'] {
  const condition = (
    type: HealthConditionType,
    known: boolean,
    words: { yes: string; no: string; reasons: [yes: string, no: string] },
  ): NodeReport['conditions'] => {
    if (!known) return [];
    const ill = ailments.has(type);
    const status = ill ? ('True' as const) : ('False' as const);
    return [{ type, status, reason: words.reasons[ill ? 0 : 1], message: ill ? words.yes : words.no }];
  };
  const { temperature, throttled, underVoltage, storage, battery } = health;
  const limit = temperature?.criticalCelsius ?? criticalCelsiusDefault;
  return [
    ...condition('Overheated', temperature !== undefined, {
      yes: `the device is within ${hotMarginCelsius} degrees of its limit of ${limit} degrees Celsius, or was and has not cooled down`,
      no: 'the temperature is fine',
      reasons: ['TemperatureHigh', 'TemperatureNormal'],
    }),
    ...condition('Throttled', throttled !== undefined, {
      yes: 'the firmware keeps the processor slow, for heat or want of power',
      no: 'the processor runs at full speed',
      reasons: ['ProcessorThrottled', 'ProcessorNotThrottled'],
    }),
    ...condition('UnderVoltage', underVoltage !== undefined, {
      yes: 'the supply voltage is too low: use a stronger power supply or a better cable',
      no: 'the supply voltage is fine',
      reasons: ['VoltageLow', 'VoltageNormal'],
    }),
    ...condition('StorageWornOut', storage !== undefined, {
      yes: 'the flash storage has used up its life: replace it',
      no: 'the flash storage has life left',
      reasons: ['StorageLifeUsedUp', 'StorageHealthy'],
    }),
    ...condition('BatteryLow', battery?.percent !== undefined, {
      yes: 'the battery is nearly empty',
      no: 'the battery is charged, or charging',
      reasons: ['BatteryNearlyEmpty', 'BatterySufficient'],
    }),
  ];
}

/** What placement goes by. */
export function healthLabels({ battery }: Health): Record<string, string> {
  return battery?.discharging === true ? { 'flotilla.dev/battery': 'true' } : {};
}

export function healthAnnotations({ storage }: Health): Record<string, string> {
  const share = storage?.lifeUsed;
  if (share === undefined) return {};
  return { 'flotilla.dev/flash-life-used': String(Math.min(100, Math.round(share * 100))) };
}
