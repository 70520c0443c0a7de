import { parseQuantity, QuantityError, quantityMillis, quantityValue } from '../../protocol/quantity.ts';
import { AgentError } from '../agent-error.ts';

/** What a kubelet watches, by its names. `nodefs` is the file system of the agent's data, `imagefs` the engine's if another. */
export const evictionSignals = [
  'memory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'pid.available',
] as const;
export type EvictionSignal = (typeof evictionSignals)[number];

/** Bytes (or a count), or a share of what there is; of both the smaller. */
export interface Amount {
  count?: number;
  fraction?: number;
}

export type Thresholds = Readonly<Record<EvictionSignal, Amount>>;

/** Kubelet's; on a board with very little memory a tenth of it. */
export const thresholdsDefault: Thresholds = {
  'memory.available': { count: 100 * 2 ** 20, fraction: 0.1 },
  'nodefs.available': { fraction: 0.1 },
  'nodefs.inodesFree': { fraction: 0.05 },
  'imagefs.available': { fraction: 0.15 },
  'imagefs.inodesFree': { fraction: 0.05 },
  'pid.available': { fraction: 0.05 },
};

export function amountOf({ count, fraction }: Amount, total: number): number {
  return Math.min(
    count ?? Number.POSITIVE_INFINITY,
    fraction === undefined ? Number.POSITIVE_INFINITY : total * fraction,
  );
}

/** `memory.available<100Mi,nodefs.available<10%`; what is not named keeps its default. Throws an AgentError. */
export function parseThresholds(text: string | undefined): Thresholds {
  const given: Partial<Record<EvictionSignal, Amount>> = {};
  for (const part of parts(text)) {
    const [name, amount] = part.split('<');
    const signal = evictionSignals.find((known) => known === name);
    if (!signal || amount === undefined)
      throw bad(
        `thresholds are written SIGNAL<AMOUNT with one of ${evictionSignals.join(', ')}; this is not one`,
        part,
      );
    given[signal] = parseAmount(amount, part);
  }
  return { ...thresholdsDefault, ...given };
}

/** What is kept back from pods for the system, in the units of NodeResources. */
export interface Reservation {
  cpuMillis: number;
  memoryBytes: number;
  ephemeralStorageBytes: number;
}

/** `cpu=100m,memory=200Mi,ephemeral-storage=1Gi`. Throws an AgentError. */
export function parseReservation(text: string | undefined): Reservation {
  const reserved: Reservation = { cpuMillis: 0, memoryBytes: 0, ephemeralStorageBytes: 0 };
  for (const part of parts(text)) {
    const [name, amount = ''] = part.split('=');
    const quantity = checked(amount, part);
    if (name === 'cpu') reserved.cpuMillis = quantityMillis(quantity);
    else if (name === 'memory') reserved.memoryBytes = quantityValue(quantity);
    else if (name === 'ephemeral-storage') reserved.ephemeralStorageBytes = quantityValue(quantity);
    else throw bad('what is reserved is written cpu=…,memory=…,ephemeral-storage=…; this is not', part);
  }
  return reserved;
}

function parts(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function parseAmount(amount: string, part: string): Amount {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(amount)?.[1];
  if (percent === undefined) return { count: quantityValue(checked(amount, part)) };
  if (Number(percent) > 100) throw bad('a share is 0% to 100%', part);
  return { fraction: Number(percent) / 100 };
}

function checked(amount: string, part: string): string {
  try {
    if (parseQuantity(amount).nano >= 0n) return amount;
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
  }
  throw bad('an amount is a number such as 500m, 100Mi or 2Gi', part);
}

function bad(words: string, part: string): AgentError {
  return new AgentError('BadConfig', `${words}: ${JSON.stringify(part)}`);
}
