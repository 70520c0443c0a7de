import {
  type BatchStatus,
  type RolloutCounts,
  type RolloutPhase,
  type RolloutPolicy,
  type RolloutPolicySpec,
  resumeAnnotation,
  type WorkloadRollout,
} from '../../../protocol/kinds/rollout-policy.ts';
import { timestamp } from '../../../protocol/kinds/stored-object.ts';
import {
  batchNames,
  count,
  describeBatch,
  hasFailed,
  hasPassed,
  noCounts,
  type RolloutUnit,
  reachable,
} from './batches.ts';
import { windowState } from './windows.ts';

/**
 * How far the rollout of one workload is, and what may be updated now. Pure. The workload's own controller asks and
 * keeps its own bounds besides; there is no other engine. Rules: a paused or failed rollout updates nothing; nothing
 * beyond the current batch is updated; outside of the windows nothing is, but a broken pod of the version that is
 * taken back; a held lock keeps its pod. What is remembered stands in the policy's status: which batches have passed,
 * where a rollback goes, what has failed.
 */
export interface RolloutFacts {
  policy: Readonly<RolloutPolicy>;
  workload: { kind: string; name: string; uid: string; annotations: Readonly<Record<string, string>> };
  /** As it was last written, if it ever was. */
  before: Readonly<WorkloadRollout> | undefined;
  units: readonly Readonly<RolloutUnit>[];
  /** Of each unit, the index of its batch in `batchNames`. */
  batchOf: (unit: Readonly<RolloutUnit>) => number;
  /** Hash of the template as it is now. */
  revision: string;
  /** Of the template before, where nothing is remembered; undefined for a workload that never had another. */
  previousRevision: string | undefined;
  nowMs: number;
}

export interface RolloutPlan {
  rollout: WorkloadRollout;
  /** Whether the unit's pod may be replaced by one of the newest revision now. */
  mayReplace: (unit: Readonly<RolloutUnit>) => boolean;
  /** Whether what has no pod gets one of the newest revision; otherwise of `stableRevision`. */
  getsNewest: (batch: number) => boolean;
  /** The last batch that is open; negative when nothing may be updated. */
  openBatch: number;
  /** The revision that the workload shall get back. */
  rollBackTo: string | undefined;
  /** When the windows change, milliseconds since 1970. */
  changesAtMs: number | undefined;
}

const everyBatch = Number.MAX_SAFE_INTEGER;

/** What goes on, before anybody asks whether it may: one of the phases but Paused. */
type Mode = Exclude<RolloutPhase, 'Paused'>;

export function planRollout(facts: RolloutFacts): RolloutPlan {
  const spec = facts.policy.spec ?? {};
  const { batches, total } = countBatches(facts, spec);
  const base = beginOrContinue(facts, total);
  const progress = progressOf(base.passed, batches, spec.healthyPercent ?? 100);
  const window = windowState(spec.windows, facts.nowMs);
  const mode = modeAfter(base, { spec, batches, total, progress });
  const paused = spec.paused === true && mode !== 'Complete' && mode !== 'RolledBack' && mode !== 'Failed';
  const openBatch = openBatchOf(mode, spec.paused === true, progress.current);
  const rollBackTo = rollbackOf(base, mode, spec);
  const rollout: WorkloadRollout = {
    ...base,
    ...total,
    passed: mode === 'Progressing' ? progress.passed : mode === 'Complete' ? batches.length : base.passed,
    phase: paused ? 'Paused' : rollBackTo === undefined ? mode : 'RollingBack',
    batches: batches.map((batch, index) => ({
      ...batch,
      phase: batchPhase(mode, index, progress, openBatch),
    })),
    ...reasonOf({ base, mode, paused, spec, batches, total, progress, window, revision: facts.revision }),
  };
  if (mode === 'Complete') rollout.stableRevision = facts.revision;
  if (mode === 'Failed') rollout.failedRevision = facts.revision;
  const current = batches[progress.current]?.name;
  if (mode === 'Progressing' && current !== undefined) rollout.batch = current;
  else delete rollout.batch;
  const settled = mode === 'Complete' || mode === 'RolledBack' || mode === 'RollingBack';
  return {
    rollout,
    mayReplace: (unit) =>
      !unit.locked &&
      (settled || facts.batchOf(unit) <= openBatch) &&
      openBatch >= 0 &&
      (window.open || (!unit.ready && mode === 'RollingBack' && unit.revision === rollout.failedRevision)),
    getsNewest: (batch) => settled || !base.stableRevision || (window.open && batch <= openBatch),
    openBatch: window.open ? openBatch : -1,
    rollBackTo,
    changesAtMs: window.changesAtMs,
  };
}

function countBatches(
  { units, batchOf }: RolloutFacts,
  spec: Readonly<RolloutPolicySpec>,
): { batches: BatchStatus[]; total: RolloutCounts } {
  const batches = batchNames(spec.batches ?? []).map(
    (name): BatchStatus => ({ name, phase: 'Waiting', ...noCounts() }),
  );
  const total = noCounts();
  for (const unit of units) {
    const batch = batches[batchOf(unit)];
    if (batch) count(batch, unit);
    count(total, unit);
  }
  return { batches, total };
}

/** What is remembered, when a revision is first seen: as if nothing of it had happened yet. */
function beginOrContinue(facts: RolloutFacts, total: RolloutCounts): WorkloadRollout {
  const { workload, revision, nowMs } = facts;
  const { kind, name, uid, annotations } = workload;
  const before = facts.before?.uid === uid ? facts.before : undefined;
  const resumed = annotations[resumeAnnotation];
  const goesOn = resumed !== before?.resumed && resumed !== undefined;
  const base: WorkloadRollout = {
    kind,
    name,
    uid,
    revision,
    phase: 'Progressing',
    reason: '',
    message: '',
    passed: 0,
    startedAt: timestamp(nowMs),
    ...noCounts(),
    batches: [],
  };
  if (resumed !== undefined) base.resumed = resumed;
  if (!before) {
    if (total.waiting > 0 && facts.previousRevision) base.stableRevision = facts.previousRevision;
    return base;
  }
  if (before.stableRevision) base.stableRevision = before.stableRevision;
  if (before.failedRevision && !(goesOn && before.failedRevision === revision))
    base.failedRevision = before.failedRevision;
  if (before.revision !== revision) {
    base.phase = phaseOfNew(before, revision, base.failedRevision);
    base.reason = base.phase === 'Failed' ? 'FailedBefore' : '';
    return base;
  }
  const failed = base.failedRevision === revision && before.phase !== 'Complete';
  const phase = failed ? 'Failed' : goesOn && before.phase === 'Failed' ? 'Progressing' : before.phase;
  return {
    ...base,
    passed: before.passed,
    startedAt: before.startedAt,
    phase: phase === 'Paused' ? unpaused(base) : phase,
    reason: before.reason,
    message: before.message,
  };
}

/** A revision that is new to the rollout: one that failed before is not tried again, the stable one is a way back. */
function phaseOfNew(before: Readonly<WorkloadRollout>, revision: string, failed: string | undefined): Mode {
  if (revision === failed) return 'Failed';
  return revision === before.stableRevision ? 'RollingBack' : 'Progressing';
}

function unpaused({ revision, stableRevision }: WorkloadRollout): Mode {
  return revision === stableRevision ? 'RollingBack' : 'Progressing';
}

interface Progress {
  /** How many batches, from the first, need not be looked at again. */
  passed: number;
  /** The first that is not through; those where nobody can be reached are passed over, until somebody is back. */
  current: number;
}

function progressOf(passed: number, batches: readonly BatchStatus[], healthyPercent: number): Progress {
  let current = Math.min(passed, batches.length);
  let through = current;
  for (let batch = batches[current]; batch; batch = batches[current]) {
    if (!hasPassed(batch, healthyPercent)) break;
    current += 1;
    if (reachable(batch) > 0) through = current;
  }
  return { passed: through, current };
}

interface ModeFacts {
  spec: Readonly<RolloutPolicySpec>;
  batches: readonly BatchStatus[];
  total: RolloutCounts;
  progress: Progress;
}

function modeAfter(base: WorkloadRollout, { spec, batches, total, progress }: ModeFacts): Mode {
  switch (base.phase) {
    case 'Complete':
    case 'RolledBack':
    case 'Failed':
      return base.phase;
    case 'RollingBack':
      if (total.waiting + total.updating > 0) return 'RollingBack';
      return base.failedRevision ? 'RolledBack' : 'Complete';
    case 'Progressing':
    case 'Paused': {
      const failed = batches.some(
        (batch, index) => index <= progress.current && hasFailed(batch, spec.healthyPercent ?? 100),
      );
      if (failed && spec.paused !== true) return 'Failed';
      // While nobody can be reached, nothing is known.
      const isThrough = progress.current >= batches.length && (reachable(total) > 0 || total.devices === 0);
      return isThrough ? 'Complete' : 'Progressing';
    }
  }
}

function openBatchOf(mode: Mode, paused: boolean, current: number): number {
  if (paused || mode === 'Failed') return -1;
  return mode === 'Progressing' ? current : everyBatch;
}

function rollbackOf(
  base: WorkloadRollout,
  mode: Mode,
  { onFailure, paused }: Readonly<RolloutPolicySpec>,
): string | undefined {
  if (mode !== 'Failed' || base.reason === 'FailedBefore' || onFailure !== 'Rollback' || paused)
    return undefined;
  return base.stableRevision;
}

function batchPhase(
  mode: Mode,
  index: number,
  { current }: Progress,
  openBatch: number,
): BatchStatus['phase'] {
  if (mode === 'Complete' || mode === 'RolledBack' || index < current) return 'Passed';
  if (mode === 'Failed') return index === current ? 'Failed' : 'Waiting';
  return index <= openBatch ? 'Updating' : 'Waiting';
}

interface Reasons extends ModeFacts {
  base: WorkloadRollout;
  mode: Mode;
  paused: boolean;
  window: { open: boolean; changesAtMs: number | undefined };
  revision: string;
}

function reasonOf(facts: Reasons): Pick<WorkloadRollout, 'reason' | 'message'> {
  const { base, mode, spec, total, window, revision } = facts;
  const told = (reason: string, message: string) => ({ reason, message });
  if (facts.paused) return told('Paused', 'the policy is paused');
  if (mode === 'Complete') return told('Complete', `revision ${revision} is rolled out`);
  if (mode === 'RolledBack')
    return told('RolledBack', `revision ${base.failedRevision} failed; ${revision} is back`);
  if (mode === 'Failed') return failureOf(facts);
  if (total.waiting > 0 && !window.open) {
    const opens = window.changesAtMs === undefined ? 'never' : `at ${timestamp(window.changesAtMs)}`;
    return told('WindowClosed', `the maintenance window is closed; it opens ${opens}`);
  }
  if (mode === 'RollingBack')
    return told('RollingBack', `${total.waiting + total.updating} devices go back to revision ${revision}`);
  const batch = facts.batches[facts.progress.current];
  if (!batch) return told('NoDevices', 'no device can be reached');
  const reason = batch.waiting > 0 && batch.locked === batch.waiting ? 'Locked' : 'BatchUpdating';
  return told(reason, describeBatch(batch, batch, spec.healthyPercent ?? 100));
}

/** Said when it fails and kept: the counts move on, the reason does not. */
function failureOf({
  base,
  spec,
  batches,
  progress,
  revision,
}: Reasons): Pick<WorkloadRollout, 'reason' | 'message'> {
  if (base.phase === 'Failed' && base.reason === 'FailedBefore')
    return {
      reason: 'FailedBefore',
      message: `revision ${revision} failed before and is not tried again; annotate the ${base.kind} with another ${resumeAnnotation} to try it`,
    };
  if (base.phase === 'Failed' && base.message !== '') return { reason: base.reason, message: base.message };
  const percent = spec.healthyPercent ?? 100;
  const batch = batches.find((one, index) => index <= progress.current && hasFailed(one, percent));
  return {
    reason: 'BatchFailed',
    message: batch ? describeBatch(batch, batch, percent) : `revision ${revision} failed`,
  };
}
