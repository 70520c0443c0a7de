/**
 * Decides, without effects, what a batch of waiting writes does: which of them hold, at which revisions, and the
 * records to write. Requests are taken in order and each sees what the ones before it in the batch will have done.
 */
import type { StoreError } from './errors.ts';
import type { DiskOperation } from './level-handle.ts';
import { encodeMark, valueKey, versionKey } from './level-keys.ts';
import type { Version } from './version.ts';
import { refusal, type WriteRequest } from './write-request.ts';

export interface CommitPlan {
  operations: DiskOperation[];
  /** In commit order. */
  versions: Version[];
  values: Map<Version, Uint8Array>;
  /** Of the last transaction in the plan. */
  revision: number;
  /** One per request. */
  outcomes: Outcome[];
}

type Outcome =
  | { type: 'commits'; revision: number }
  /** `final`: true whether or not the batch succeeds. */
  | { type: 'refused'; error: StoreError; final: boolean };

export interface Committed {
  readonly revision: number;
  newest(key: string): Version | undefined;
}

export function planCommit(requests: readonly WriteRequest[], committed: Committed): CommitPlan {
  const plan: CommitPlan = {
    operations: [],
    versions: [],
    values: new Map(),
    revision: committed.revision,
    outcomes: [],
  };
  const pending = new Map<string, Version>();
  const newest = (key: string) => pending.get(key) ?? committed.newest(key);
  for (const request of requests) {
    const refused = firstRefusal(request);
    plan.outcomes.push(refused ?? { type: 'commits', revision: apply(request) });
  }
  return plan;

  function firstRefusal({ conditions }: WriteRequest): Outcome | undefined {
    for (const condition of conditions) {
      const version = newest(condition.key);
      const error = refusal(condition, version && !version.deleted ? version.revision : 0);
      if (error) return { type: 'refused', error, final: !pending.has(condition.key) };
    }
    return undefined;
  }

  /** A transaction that changes nothing takes no revision. */
  function apply({ operations }: WriteRequest): number {
    const revision = plan.revision + 1;
    for (const [slot, operation] of operations.entries()) {
      const { key } = operation;
      const previous = newest(key);
      const deleted = operation.type === 'delete';
      if (deleted && (!previous || previous.deleted)) continue;
      const version: Version = { key, revision, slot, deleted, previous };
      pending.set(key, version);
      plan.versions.push(version);
      plan.operations.push({ type: 'put', key: versionKey(version), value: markBytes(version) });
      if (operation.type === 'put') {
        plan.values.set(version, operation.value);
        plan.operations.push({ type: 'put', key: valueKey(version), value: operation.value });
      }
      plan.revision = revision;
    }
    return plan.revision;
  }
}

const putMark = Buffer.from(encodeMark({ slot: 0, deleted: false }));
const deleteMark = Buffer.from(encodeMark({ slot: 0, deleted: true }));

function markBytes(version: Version): Uint8Array {
  if (version.slot > 0) return Buffer.from(encodeMark(version));
  return version.deleted ? deleteMark : putMark;
}
