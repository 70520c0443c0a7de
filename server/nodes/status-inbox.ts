import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { WorkQueue } from '../../lib/work-queue.ts';
import type { Node, Pod } from '../../protocol/generated/models.ts';
import { nodeKind } from '../../protocol/kinds/node.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import type { Message } from '../../protocol/topics/define-topic.ts';
import type { NodeReport, PodEvent, PodReport, status } from '../../protocol/topics/sync.ts';
import type { EventRecorder } from '../registry/event-recorder.ts';
import type { Registry } from '../registry/registry.ts';
import { createNodeBudget } from './node-budget.ts';
import type { NodeFacts } from './node-writer.ts';
import { isPermanent, writePodReport } from './pod-writer.ts';

/**
 * What devices reported and is not yet committed: one slot per pod, so that a store that is slow or failing holds
 * no queue of statuses. A message is acknowledged when all it said is durable or superseded.
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
  node: (name: string) => Readonly<Node> | undefined;
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
/** Events that one node may have written: a crash loop must not flood the store. */
const eventBudget = { burst: 25, refillMs: 1_000 };

interface Waiting {
  pods: Map<string, PodReport>;
  report: NodeReport | undefined;
  nodeChanged: boolean;
  acks: { boot: number; seq: number }[];
}

export function createStatusInbox(options: StatusInboxOptions): StatusInbox {
  return new Inbox(options);
}

class Inbox implements StatusInbox {
  readonly #options: StatusInboxOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #queue: WorkQueue;
  readonly #mayRecord: (node: string) => boolean;

  constructor(options: StatusInboxOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.#mayRecord = createNodeBudget(clock, eventBudget);
    this.#queue = new WorkQueue({
      clock,
      workers: nodesAtOnce,
      backoff: retryBackoff,
      work: (node) => this.#commit(node),
      onError: (node, error, failures) =>
        log.warn('statuses of a node could not be stored; they are tried again', { node, failures, error }),
    });
  }

  add(node: string, { boot, seq, pods, report, events = [] }: Message<typeof status>): boolean {
    const slot = this.#slotOf(node);
    if (slot.pods.size + pods.length > podsPerNodeMax) return false;
    for (const pod of pods) slot.pods.set(pod.uid, pod);
    slot.report = report ?? slot.report;
    slot.acks = [...slot.acks, { boot, seq }].slice(-acksPerNodeMax);
    this.#recordEvents(node, [...refusals(pods), ...events]);
    this.#queue.add(node);
    return true;
  }

  nodeChanged(node: string): void {
    this.#slotOf(node).nodeChanged = true;
    this.#queue.add(node);
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  async #commit(node: string): Promise<void> {
    const taken = this.#waiting.get(node);
    if (!taken) return;
    this.#waiting.delete(node);
    const { writeNode, factsOf, acknowledge } = this.#options;
    try {
      await allSettled([...taken.pods.values()].map((report) => this.#commitPod(node, taken, report)));
      if (taken.report || taken.nodeChanged) await writeNode(node, factsOf(node), taken.report);
    } catch (error) {
      this.#putBack(node, taken);
      throw error;
    }
    for (const ack of taken.acks) acknowledge(node, ack);
  }

  async #commitPod(node: string, taken: Waiting, report: PodReport): Promise<void> {
    const { registry, log } = this.#options;
    try {
      await writePodReport(registry, node, report);
    } catch (error) {
      if (!isPermanent(error)) throw error;
      log.warn('a device reported a status that cannot be stored', { node, pod: report.name, error });
    }
    taken.pods.delete(report.uid);
  }

  /** Newer reports that came meanwhile win. */
  #putBack(node: string, taken: Waiting): void {
    const newer = this.#waiting.get(node);
    if (!newer) {
      this.#waiting.set(node, taken);
      return;
    }
    for (const [uid, report] of taken.pods) if (!newer.pods.has(uid)) newer.pods.set(uid, report);
    newer.report ??= taken.report;
    newer.nodeChanged ||= taken.nodeChanged;
    newer.acks = [...taken.acks, ...newer.acks].slice(-acksPerNodeMax);
  }

  #slotOf(node: string): Waiting {
    let slot = this.#waiting.get(node);
    if (!slot) {
      slot = { pods: new Map(), report: undefined, nodeChanged: false, acks: [] };
      this.#waiting.set(node, slot);
    }
    return slot;
  }

  #recordEvents(node: string, events: readonly PodEvent[]): void {
    for (const { uid, type, reason, message } of events.slice(0, eventsPerMessageMax)) {
      const occurrence = { type, reason, message, source: { component: 'flotilla-agent', host: node } };
      const own = uid === '' ? this.#options.node(node) : undefined;
      const pod = uid === '' ? undefined : this.#options.boundPod(node, uid);
      if ((!own && !pod) || !this.#mayRecord(node)) continue;
      if (own) this.#options.events.record(nodeKind, own, occurrence);
      if (pod) this.#options.events.record(podKind, pod, occurrence);
    }
  }
}

/** Waits for all, then fails with the first failure: what could be written was. */
async function allSettled(writes: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(writes)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

/** A refusal is told as an event too: the pod itself is soon waiting for another node. */
function refusals(pods: readonly PodReport[]): PodEvent[] {
  return pods.flatMap(({ uid, refused }) => (refused ? [{ uid, type: 'Warning' as const, ...refused }] : []));
}
