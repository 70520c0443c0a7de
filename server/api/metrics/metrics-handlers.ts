import type { Node, Pod } from '../../../protocol/generated/models.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import {
  type NodeMetrics,
  nodeMetricsKind,
  type PodMetrics,
  podMetricsKind,
  type ResourceUsage,
} from '../../../protocol/kinds/metrics.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { timestamp } from '../../../protocol/kinds/stored-object.ts';
import { isStatus, StatusError } from '../../../protocol/status.ts';
import type { Figures, FleetUsage, NodeUsage } from '../../nodes/fleet-usage.ts';
import { objectName, type ResourceExchange, type ResourceHandler } from '../exchange.ts';
import { readListOptions } from '../request/list-options.ts';
import { sendKindObject } from '../response/answer.ts';
import { sendList } from '../verbs/list.ts';

/**
 * metrics.k8s.io: the stored nodes and pods say which there are and what labels they have, the devices what they use.
 * As in metrics-server, who does not answer in time or does not run is left out of a list, and not found by name.
 */
export function metricsHandler(kind: KindDefinition, verb: string): ResourceHandler | undefined {
  const source = sources.find((candidate) => candidate.kind === kind);
  if (!source) return undefined;
  return verb === 'get'
    ? (exchange) => getMetrics(exchange, source)
    : (exchange) => listMetrics(exchange, source);
}

interface MetricsSource {
  kind: KindDefinition;
  of: KindDefinition;
  measure: (objects: readonly KubernetesObject[], usage: FleetUsage) => Promise<KubernetesObject[]>;
}

const sources: readonly MetricsSource[] = [
  { kind: nodeMetricsKind, of: nodeKind, measure: (nodes, usage) => measureNodes(nodes as Node[], usage) },
  { kind: podMetricsKind, of: podKind, measure: (pods, usage) => measurePods(pods as Pod[], usage) },
];

async function listMetrics(exchange: ResourceExchange, { of, measure }: MetricsSource): Promise<void> {
  const { registry, usage } = exchange.services;
  await sendList(exchange, async () => {
    const answer = await registry.list(of, readListOptions(exchange));
    return { ...answer, items: await measure(answer.items, usage) };
  });
}

async function getMetrics(exchange: ResourceExchange, { kind, of, measure }: MetricsSource): Promise<void> {
  const { registry, usage } = exchange.services;
  const at = objectName(exchange);
  const object = await registry.get(of, at).catch((error: unknown) => {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  });
  const [metrics] = object ? await measure([object], usage) : [];
  if (!metrics) {
    const resource = `${kind.kind.toLowerCase()}.${kind.group}`;
    const name = at.namespace === undefined ? at.name : `${at.namespace}/${at.name}`;
    throw new StatusError('NotFound', `${resource} ${JSON.stringify(name)} not found`);
  }
  await sendKindObject(exchange, 200, metrics);
}

async function measureNodes(nodes: readonly Node[], usage: FleetUsage): Promise<NodeMetrics[]> {
  const none: string[] = [];
  const asked = new Map(nodes.map(({ metadata }) => [metadata?.name ?? '', none]));
  const found = await usage.read(asked);
  return nodes.flatMap(({ metadata }) => {
    const node = found.get(metadata?.name ?? '');
    if (!node?.node) return [];
    return [{ ...measured(metadata ?? {}, node), usage: quantities(node.node) }];
  });
}

async function measurePods(pods: readonly Pod[], usage: FleetUsage): Promise<PodMetrics[]> {
  const asked = new Map<string, string[]>();
  const running = pods.filter(
    ({ spec, status }) => spec?.nodeName !== undefined && status?.phase === 'Running',
  );
  for (const { spec, metadata } of running) {
    const uids = asked.get(spec?.nodeName ?? '') ?? [];
    uids.push(metadata?.uid ?? '');
    asked.set(spec?.nodeName ?? '', uids);
  }
  const found = await usage.read(asked);
  return running.flatMap(({ spec, metadata }) => {
    const node = found.get(spec?.nodeName ?? '');
    const pod = node?.pods.get(metadata?.uid ?? '');
    if (!node || !pod) return [];
    const containers = [...pod].map(([name, figures]) => ({ name, usage: quantities(figures) }));
    return [{ ...measured(metadata ?? {}, node), containers }];
  });
}

function measured({ name, namespace, labels }: NonNullable<Pod['metadata']>, node: NodeUsage) {
  return {
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      creationTimestamp: timestamp(node.measuredAtMs),
      ...(labels ? { labels } : {}),
    },
    timestamp: timestamp(node.measuredAtMs),
    window: `${node.windowMs / 1000}s`,
  };
}

function quantities({ cpuNanocores, memoryBytes }: Figures): ResourceUsage {
  return { cpu: `${Math.round(cpuNanocores)}n`, memory: `${Math.floor(memoryBytes / 1024)}Ki` };
}
