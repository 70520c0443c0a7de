import type { Pod } from '../../protocol/generated/models.ts';
import type { ContainerHandle, SandboxHandle } from '../drivers/driver.ts';
import { reservedBy } from './admission.ts';
import { findContainer } from './plan-ending.ts';
import { graceSecondsOf } from './plan-sandbox.ts';
import type { PodRecord, Reserved } from './pod-record.ts';
import { initialState, type Now, sameAttempt, withAttempt } from './pod-state.ts';
import { allocationOf } from './resize.ts';

/** What a driver has, held against what the records say it should have. */
export interface Inventory {
  driver: string;
  sandboxes: readonly SandboxHandle[];
  containers: readonly ContainerHandle[];
}

export interface RecoveryContext {
  records: ReadonlyMap<string, PodRecord>;
  /** The wanted pod of a uid; undefined also for one that was torn down for good. */
  desired: (uid: string) => Pod | undefined;
  bootId: string;
  now: Now;
}

export interface Recovery {
  /** Records that changed or are new. */
  adopted: PodRecord[];
  /** Nobody's: of pods that are not known, or attempts that nothing refers to. */
  orphans: { sandboxes: SandboxHandle[]; containers: ContainerHandle[] };
}

/**
 * Pure. A container that was started but not written down before the agent died is recognised by its attempt being the
 * next one, and adopted instead of started twice; everything unknown is an orphan.
 */
export function recover(inventory: Inventory, context: RecoveryContext): Recovery {
  const records = new Map(context.records);
  const orphans: Recovery['orphans'] = { sandboxes: [], containers: [] };
  const recordOf = (uid: string) => {
    const record = records.get(uid) ?? rebuilt(uid, inventory.driver, context);
    return record?.refused || record?.runtime !== inventory.driver ? undefined : record;
  };
  for (const handle of inventory.sandboxes) {
    const record = recordOf(handle.podUid);
    if (!record) orphans.sandboxes.push(handle);
    else if (!record.sandbox) {
      records.set(record.uid, { ...record, sandbox: handle, sandboxAttempt: record.sandboxAttempt + 1 });
    } else if (![record.sandbox, ...record.garbageSandboxes].some(({ id }) => id === handle.id)) {
      orphans.sandboxes.push(handle);
    }
  }
  const inOrder = [...inventory.containers].sort((one, other) => one.attempt - other.attempt);
  for (const handle of inOrder) {
    const record = recordOf(handle.podUid);
    const verdict = record ? judge(record, handle) : 'orphan';
    if (!record || verdict === 'orphan') orphans.containers.push(handle);
    else if (verdict === 'adopt') records.set(record.uid, adopt(record, handle, context));
  }
  const adopted = [...records.values()].filter((record) => context.records.get(record.uid) !== record);
  return { adopted, orphans };
}

function judge(record: PodRecord, handle: ContainerHandle): 'known' | 'adopt' | 'orphan' {
  const current = record.containers[handle.container];
  if (!current || handle.attempt > current.handle.attempt) return 'adopt';
  const known = [current.handle, ...(current.previous ? [current.previous.handle] : []), ...record.garbage];
  return known.some((other) => sameAttempt(other, handle)) ? 'known' : 'orphan';
}

function adopt(record: PodRecord, handle: ContainerHandle, { desired, now }: RecoveryContext): PodRecord {
  const container = findContainer(desired(record.uid), handle.container);
  const image = container?.image ?? record.containers[handle.container]?.image ?? '';
  return withAttempt(initialState(record, now), handle, image).record;
}

/** The journal lost a pod that is still wanted and has something running: better adopted than killed. */
function rebuilt(
  uid: string,
  runtime: string,
  { desired, bootId, now }: RecoveryContext,
): PodRecord | undefined {
  const pod = desired(uid);
  return pod && newRecord({ pod, runtime, bootId, startedAtMs: now.wallMs });
}

export function newRecord(options: {
  pod: Pod;
  runtime: string;
  bootId: string;
  startedAtMs: number;
  /** What was set aside for it; worked out anew unless given. */
  reserved?: Reserved;
  refused?: { reason: string; message: string };
}): PodRecord {
  const { pod, runtime, bootId, startedAtMs, refused } = options;
  return {
    uid: pod.metadata?.uid ?? '',
    namespace: pod.metadata?.namespace ?? '',
    name: pod.metadata?.name ?? '',
    runtime,
    startedAtMs,
    graceSeconds: graceSecondsOf(pod),
    bootId,
    terminating: false,
    ...(refused ? { refused } : {}),
    reserved: options.reserved ?? reservedBy(pod),
    allocation: allocationOf(pod.spec),
    sandboxAttempt: 0,
    podIps: [],
    volumes: false,
    containers: {},
    garbage: [],
    garbageSandboxes: [],
    transitions: {},
  };
}

/**
 * After a reboot nothing of the back-off counts, because what ended did not crash, and whatever is left of the
 * sandbox counts as a new one, so that init containers run again as Kubernetes has it.
 */
export function afterReboot(record: PodRecord, bootId: string): PodRecord {
  if (record.bootId === bootId) return record;
  const containers = Object.fromEntries(
    Object.entries(record.containers).map(([name, container]) => [name, { ...container, backoffMs: 0 }]),
  );
  return { ...record, bootId, containers, sandboxAttempt: record.sandboxAttempt + 1 };
}
