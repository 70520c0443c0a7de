/**
 * What every driver asks of a write before it takes it, and how it refuses one: the same checks and the same words,
 * whichever disk is below.
 */
import { StoreError } from './errors.ts';
import type { StoreLimits } from './limits.ts';
import type { Guard, Operation } from './store.ts';

export interface WriteRequest {
  conditions: readonly Condition[];
  operations: readonly Operation[];
  /** Keys and values, for queue limits. */
  bytes: number;
}

/** What must hold of a key for the write to happen. */
export type Condition =
  | { expect: 'absent'; key: string }
  | { expect: 'present'; key: string }
  | { expect: 'exact'; key: string; revision: number }
  /** As `exact`, but a revision of 0 means absent. */
  | { expect: 'guard'; key: string; revision: number };

/** Throws `ValueTooLarge` above a limit, and a TypeError for what no correct caller sends. */
export function writeRequest(
  conditions: readonly Condition[],
  operations: readonly Operation[],
  limits: StoreLimits,
): WriteRequest {
  if (Math.max(conditions.length, operations.length) > limits.txnOperationsMax) {
    throw new StoreError(
      'ValueTooLarge',
      `a transaction has at most ${limits.txnOperationsMax} guards and as many operations`,
    );
  }
  const bytes = operations.reduce((sum, operation) => sum + operationBytes(operation, limits), 0);
  if (bytes > limits.queueBytesMax) {
    throw new StoreError(
      'ValueTooLarge',
      `a transaction of ${bytes} bytes; at most ${limits.queueBytesMax} are allowed`,
    );
  }
  if (operations.length > 1 && new Set(operations.map(({ key }) => key)).size < operations.length) {
    throw new TypeError('a transaction changes a key at most once');
  }
  return { conditions, operations, bytes };
}

export function guardConditions(guards: readonly Guard[]): Condition[] {
  return guards.map(({ key, revision }) => ({ expect: 'guard', key, revision }));
}

/** Why `condition` does not hold of a key last changed at `current` (0: it does not exist). */
export function refusal(condition: Condition, current: number): StoreError | undefined {
  const { key } = condition;
  if (condition.expect === 'absent') {
    return current === 0 ? undefined : new StoreError('KeyExists', `${key} exists since revision ${current}`);
  }
  if (condition.expect !== 'guard' && current === 0) {
    return new StoreError('KeyNotFound', `${key} does not exist`);
  }
  if (condition.expect === 'present' || current === condition.revision) return undefined;
  return new StoreError('RevisionMismatch', `${key} is at revision ${current}, not ${condition.revision}`);
}

/** Throws `Compacted` or `FutureRevision` unless the store can read at `revision`. */
export function checkReadable(revision: number, store: { revision: number; floor: number }): void {
  if (revision < store.floor) {
    throw new StoreError(
      'Compacted',
      `revision ${revision} is forgotten; the oldest that can be read is ${store.floor}`,
    );
  }
  if (revision > store.revision) {
    throw new StoreError(
      'FutureRevision',
      `revision ${revision} has not happened yet; the last is ${store.revision}`,
    );
  }
}

function operationBytes(operation: Operation, limits: StoreLimits): number {
  const { key } = operation;
  // A lone surrogate has no UTF-8 form: two such keys would be one on disk.
  if (key === '' || !key.isWellFormed()) throw new TypeError('a key is a non-empty well-formed string');
  const keyBytes = Buffer.byteLength(key);
  if (keyBytes > limits.keyBytesMax) {
    throw new StoreError(
      'ValueTooLarge',
      `a key of ${keyBytes} bytes; at most ${limits.keyBytesMax} are allowed`,
    );
  }
  if (operation.type === 'delete') return keyBytes;
  const valueBytes = operation.value.byteLength;
  if (valueBytes > limits.valueBytesMax) {
    throw new StoreError(
      'ValueTooLarge',
      `the value of ${key} has ${valueBytes} bytes; at most ${limits.valueBytesMax} are allowed`,
    );
  }
  return keyBytes + valueBytes;
}
