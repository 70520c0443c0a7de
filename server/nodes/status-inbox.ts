import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { WorkQueue } from '../../lib/work-queue.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import type { Message } from '../../protocol/topics/define-topic.ts';
import type { NodeReport, PodEvent, PodReport, status } from '../../protocol/topics/sync.ts';
import type { Registry } from '../registry/registry.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { NodeFacts } from './node-writer.ts';
import { isPermanent, writePodReport } from './pod-writer.ts';

/**
 * What devices reported and is not yet committed: one slot per pod, so that a store that is slow or failing holds no queue of
 * statuses. A message is acknowledged when all it said is durable or superseded.
 */
export interface StatusInbox {
  /** False when the node has reported more than fits; the message is dropped and the device repeats it. */
  add(node: string, message: Message<typeof status>): boolean;
  /** What is known of the node itself changed: its Node is written soon. */
  nodeChanged(node: string): void;
  stop(): Promise<void>;
}

export interface StatusInboxOptions {
  registry: Registry;
  events: EventRecorder;
  clock: Clock;
  log: Logger;
  factsOf: (node: string) => NodeFacts;
  writeNode: (node: string, facts: NodeFacts, report: NodeReport | undefined) => Promise<void>;
  /** The pod, if it is bound to this node. */
  boundPod: (node: string, uid: string) => Readonly<Pod> | undefined;
  acknowledge: (node: string, message: { boot: number; seq: number }) => void;
}

const nodesAtOnce = 64;
const retryBackoff = { baseMs: 100, capMs: 10_000 };
const podsPerNodeMax = 512;
/** Acknowledgements beyond this are left out; the device asks again with its next message. */
const acksPerNodeMax = 64;
const eventsPerMessageMax = 32;

interface Waiting {
  pods: Map<string, PodReport>;
  report: NodeReport | undefined;
  nodeChanged: boolean;
  acks: { boot: number; seq: number }[];
}

export function createStatusInbox(options: StatusInboxOptions): StatusInbox {
  const { registry, events, clock, log } = options;
  const waiting = new Map<string, Waiting>();

  async function commit(node: string): Promise<void> {
    const taken = waiting.get(node);
    if (!taken) return;
    waiting.delete(node);
    const writes = taken.pods.values().map(async (report) => {
      await tolerate(node, report, writePodReport(registry, node, report));
      taken.pods.delete(report.uid);
    });
    try {
      await allSettled([...writes]);
      if (taken.report || taken.nodeChanged) {
        await options.writeNode(node, options.factsOf(node), taken.report);
      }
    } catch (error) {
      putBack(node, taken);
      throw error;
    }
    for (const ack of taken.acks) options.acknowledge(node, ack);
  }

  async function tolerate(node: string, report: PodReport, write: Promise<void>): Promise<void> {
    try {
      await write;
    } catch (error) {
      if (!isPermanent(error)) throw error;
      log.warn('a device reported a status that cannot be stored', { node, pod: report.name, error });
    }
  }

  /** Newer reports that came meanwhile win. */
  function putBack(node: string, taken: Waiting): void {
    const newer = waiting.get(node);
    if (!newer) {
      waiting.set(node, taken);
      return;
    }
    for (const [uid, report] of taken.pods) if (!newer.pods.has(uid)) newer.pods.set(uid, report);
    newer.report ??= taken.report;
    newer.nodeChanged ||= taken.nodeChanged;
    newer.acks = [...taken.acks, ...newer.acks].slice(-acksPerNodeMax);
  }

  const queue = new WorkQueue({
    clock,
    workers: nodesAtOnce,
    backoff: retryBackoff,
    work: commit,
    onError: (node, error, failures) =>
      log.warn('statuses of a node could not be stored; they are tried again', { node, failures, error }),
  });

  function slotOf(node: string): Waiting {
    let slot = waiting.get(node);
    if (!slot) {
      slot = { pods: new Map(), report: undefined, nodeChanged: false, acks: [] };
      waiting.set(node, slot);
    }
    return slot;
  }

  function recordEvents(node: string, list: readonly PodEvent[]): void {
    for (const event of list.slice(0, eventsPerMessageMax)) {
      const { uid, container, type, reason, message, count } = event;
      const { namespace, name } = options.boundPod(node, uid)?.metadata ?? {};
      if (namespace === undefined || name === undefined) continue;
      const fieldPath = container === undefined ? {} : { fieldPath: `spec.containers{${container}}` };
      const about = { apiVersion: 'v1', kind: 'Pod', namespace, name, uid, ...fieldPath };
      void events.record({ about, node, type, reason, message, count });
    }
  }

  return {
    add(node, { boot, seq, pods, report, events: list = [] }) {
      const slot = slotOf(node);
      if (slot.pods.size + pods.length > podsPerNodeMax) return false;
      for (const pod of pods) slot.pods.set(pod.uid, pod);
      slot.report = report ?? slot.report;
      slot.acks = [...slot.acks, { boot, seq }].slice(-acksPerNodeMax);
      recordEvents(node, list);
      queue.add(node);
      return true;
    },
    nodeChanged(node) {
      slotOf(node).nodeChanged = true;
      queue.add(node);
    },
    stop: () => queue.stop(),
  };
}

/** Waits for all, then fails with the first failure: what could be written was. */
async function allSettled(writes: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(writes)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
