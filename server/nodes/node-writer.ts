import type { Clock } from '../../lib/clock.ts';
import { healthConditionTypes } from '../../protocol/devices.ts';
import type { Node, NodeCondition, NodeStatus, NodeSystemInfo } from '../../protocol/generated/models.ts';
import { layersPortAnnotation } from '../../protocol/kinds/neighbours.ts';
import { nodeKind } from '../../protocol/kinds/node.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import { entryDigest } from '../../protocol/sync-hash.ts';
import type { NodeReport } from '../../protocol/topics/sync.ts';
import type { Registry } from '../registry/registry.ts';
import { mergeLabels, permittedLabels } from './node-labels.ts';

/** What the server knows of a node beside its report. */
export interface NodeFacts {
  connected: boolean;
  /** Undefined while the device has not said hello to this run of the server. */
  bootId?: string;
}

/** Digest of the report that the Node shows, as hello carries it. */
export const reportAnnotation = 'flotilla.dev/report-digest';
const bootIdAnnotation = 'flotilla.dev/boot-id';
const ownLabelsAnnotation = 'flotilla.dev/device-labels';
const runtimesAnnotation = 'flotilla.dev/runtimes';
const healthTypes: readonly string[] = healthConditionTypes;
/** What a device may say of itself in annotations; anything else it says is left out. */
const reportedAnnotations = ['flotilla.dev/flash-life-used', layersPortAnnotation];

export interface NodeWriterOptions {
  registry: Registry;
  clock: Clock;
}

export interface WrittenNode {
  /** The machine restarted since its Node was last written. */
  rebooted: boolean;
  /** Undefined when it is missing and there was no report to make it of. */
  node?: Node;
}

/**
 * Makes the Node show what is known; creates it when it is missing and a report is at hand. Writes nothing when nothing
 * changed. Rejects with the registry's `StatusError`.
 */
export async function writeNode(
  { registry, clock }: NodeWriterOptions,
  name: string,
  facts: NodeFacts,
  report?: NodeReport,
): Promise<WrittenNode> {
  const now = timestamp(clock.now());
  let rebooted = false;
  try {
    await registry.mutate<Node>(nodeKind, { name }, (draft) => {
      const before = draft.metadata?.annotations?.[bootIdAnnotation];
      rebooted = before !== undefined && facts.bootId !== undefined && before !== facts.bootId;
      describe(draft, facts, report);
    });
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error;
    if (!report) return { rebooted: false };
    const fresh: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name } };
    describe(fresh, facts, report);
    await registry.create<Node>(nodeKind, fresh);
  }
  const change = (draft: Node) => {
    draft.status = statusOf(draft.status ?? {}, { facts, report, now });
  };
  const node = await registry.mutate<Node>(nodeKind, { name }, change, { subresource: 'status' });
  return { rebooted, node };
}

function describe(draft: Node, facts: NodeFacts, report: NodeReport | undefined): void {
  const metadata = (draft.metadata ??= {});
  const annotations = (metadata.annotations ??= {});
  if (facts.bootId !== undefined) annotations[bootIdAnnotation] = facts.bootId;
  if (!report) return;
  const labels = permittedLabels(report.labels);
  const before = parseLabels(annotations[ownLabelsAnnotation]);
  metadata.labels = mergeLabels(metadata.labels ?? {}, before, labels);
  annotations[ownLabelsAnnotation] = JSON.stringify(labels);
  annotations[runtimesAnnotation] = report.runtimes.join(',');
  for (const name of reportedAnnotations) {
    const value = report.annotations?.[name];
    if (value === undefined) delete annotations[name];
    else annotations[name] = value;
  }
  annotations[reportAnnotation] = entryDigest(report);
}

function parseLabels(text: string | undefined): Record<string, string> {
  try {
    const parsed: unknown = JSON.parse(text ?? '{}');
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, string>) : {};
  } catch {
    return {};
  }
}

function statusOf(
  old: NodeStatus,
  { facts, report, now }: { facts: NodeFacts; report: NodeReport | undefined; now: string },
): NodeStatus {
  const own = (report?.conditions ?? old.conditions ?? []).filter(({ type }) => type !== 'Ready');
  const described = (report?.allocatable ?? old.allocatable) !== undefined;
  const fresh: NodeCondition[] = [...own, ready(facts, { own, described })];
  const told = (type: string) =>
    !report || !healthTypes.includes(type) || own.some((one) => one.type === type);
  const kept = (old.conditions ?? []).filter(({ type }) => told(type));
  const conditions = mergeConditions(kept, fresh, now);
  if (!report) return { ...old, conditions };
  const { capacity, allocatable, addresses, nodeInfo, images } = report;
  return {
    ...old,
    capacity,
    allocatable,
    addresses,
    nodeInfo: nodeInfo as unknown as NodeSystemInfo,
    conditions,
    ...(images ? { images } : {}),
  };
}

/**
 * Ready is the server's word: connected, described (nothing fits on a node without capacity), and no runtime
 * reported as broken.
 */
function ready(
  facts: NodeFacts,
  { own, described }: { own: readonly NodeCondition[]; described: boolean },
): NodeCondition {
  if (!facts.connected) {
    const message = 'The device is not connected; its pods are presumed to run on.';
    return { type: 'Ready', status: 'Unknown', reason: 'Disconnected', message };
  }
  if (!described) {
    const message = 'The device has not said yet what it has.';
    return { type: 'Ready', status: 'False', reason: 'NoReport', message };
  }
  const broken = own.find(({ type, status }) => type === 'RuntimeReady' && status === 'False');
  if (broken) return { ...broken, type: 'Ready' };
  return { type: 'Ready', status: 'True', reason: 'AgentReady', message: 'The agent is connected.' };
}

/** Fresh conditions over old ones of the same type; the time of a transition is kept while the status stays. */
function mergeConditions(
  old: readonly NodeCondition[],
  fresh: readonly NodeCondition[],
  now: string,
): NodeCondition[] {
  const others = old.filter(({ type }) => fresh.every((condition) => condition.type !== type));
  const merged = fresh.map((condition) => {
    const before = old.find(({ type }) => type === condition.type);
    const { status, reason, message } = condition;
    if (before && before.status === status && before.reason === reason && before.message === message) {
      return before;
    }
    const since = before?.status === status ? before.lastTransitionTime : undefined;
    return { ...condition, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
  });
  return [...others, ...merged];
}
