import type { MetricSpec, Pod } from '../../../protocol/generated/models.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import type { MetricPlace, MetricReading, OtherMetrics, PodReading } from './metric-reading.ts';

/** What the devices say their pods use; by node the uids that matter there. Who does not answer is missing. */
export interface UsageSource {
  read(wanted: ReadonlyMap<string, readonly string[]>): Promise<ReadonlyMap<string, UsageOfNode>>;
}

export interface UsageOfNode {
  measuredAtMs: number;
  windowMs: number;
  pods: ReadonlyMap<string, ReadonlyMap<string, { cpuNanocores: number; memoryBytes: number }>>;
}

export interface ReadContext {
  usage: UsageSource;
  others: OtherMetrics;
  namespace: string;
  /** Of the target's pods, as text. */
  labelSelector: string;
  pods: readonly Readonly<Pod>[];
}

/** One reading for each metric, failures among them; never rejects. The devices are asked once for all. */
export async function readMetrics(
  specs: readonly MetricSpec[],
  context: ReadContext,
): Promise<MetricReading[]> {
  const ofDevices = specs.some(({ type }) => type === 'Resource' || type === 'ContainerResource');
  const usage = ofDevices ? await usageOf(context) : [];
  return Promise.all(specs.map((spec) => readMetric(spec, usage, context)));
}

interface PodUsage {
  pod: Readonly<Pod>;
  node: UsageOfNode;
  containers: ReadonlyMap<string, { cpuNanocores: number; memoryBytes: number }>;
}

async function usageOf({ usage, pods }: ReadContext): Promise<PodUsage[]> {
  const running = pods.filter(({ spec, status }) => spec?.nodeName && status?.phase === 'Running');
  const wanted = new Map<string, string[]>();
  for (const pod of running) {
    const node = pod.spec?.nodeName ?? '';
    const uids = wanted.get(node) ?? [];
    uids.push(storedMeta(pod).uid);
    wanted.set(node, uids);
  }
  const found = await usage.read(wanted);
  return running.flatMap((pod) => {
    const node = found.get(pod.spec?.nodeName ?? '');
    const containers = node?.pods.get(storedMeta(pod).uid);
    return node && containers ? [{ pod, node, containers }] : [];
  });
}

async function readMetric(
  spec: MetricSpec,
  usage: readonly PodUsage[],
  context: ReadContext,
): Promise<MetricReading> {
  const { namespace, labelSelector, others } = context;
  switch (spec.type) {
    case 'Resource':
      return resourceReading(spec.resource?.name ?? '', usage, undefined);
    case 'ContainerResource':
      return resourceReading(spec.containerResource?.name ?? '', usage, spec.containerResource?.container);
    case 'Pods': {
      const place: MetricPlace = { namespace, labelSelector, metric: spec.pods?.metric ?? { name: '' } };
      return failing(`unable to get metric ${place.metric.name}`, async () => ({
        pods: await others.ofPods(place),
      }));
    }
    case 'Object': {
      const { describedObject, metric = { name: '' } } = spec.object ?? {};
      const { kind = '', apiVersion = 'v1', name = '' } = describedObject ?? {};
      const words = `unable to get metric ${metric.name}: ${kind} on ${namespace} ${name}`;
      return failing(words, async () => ({
        value: await others.ofObject({ namespace, labelSelector, metric, kind, apiVersion, name }),
      }));
    }
    default: {
      const { metric = { name: '' } } = spec.external ?? {};
      const words = `unable to get external metric ${namespace}/${metric.name}`;
      return failing(words, async () => {
        const values = await others.external({ namespace, metric });
        return { value: values.reduce((sum, value) => sum + value, 0) };
      });
    }
  }
}

async function failing(words: string, read: () => Promise<MetricReading>): Promise<MetricReading> {
  try {
    return await read();
  } catch (error) {
    return { error: `${words}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** A pod counts when each container that matters has a figure. */
function resourceReading(
  resource: string,
  usage: readonly PodUsage[],
  container: string | undefined,
): MetricReading {
  const unable = `unable to get metrics for resource ${resource}`;
  if (resource !== 'cpu' && resource !== 'memory')
    return { error: `${unable}: the devices measure cpu and memory only` };
  const pods = new Map<string, PodReading>();
  for (const { pod, node, containers } of usage) {
    const names = (pod.spec?.containers ?? []).map(({ name }) => name);
    const wanted = container === undefined ? names : [container];
    const values = wanted.map((name) => containers.get(name));
    if (values.includes(undefined)) continue;
    const sum = values.reduce((total, figures) => total + millis(resource, figures), 0);
    const { measuredAtMs: timestampMs, windowMs } = node;
    pods.set(pod.metadata?.name ?? '', { value: sum, timestampMs, windowMs });
  }
  return pods.size > 0 ? { pods } : { error: `${unable}: no metrics returned from resource metrics API` };
}

function millis(
  resource: 'cpu' | 'memory',
  figures: { cpuNanocores: number; memoryBytes: number } | undefined,
): number {
  if (!figures) return 0;
  return resource === 'cpu' ? Math.ceil(figures.cpuNanocores / 1e6) : figures.memoryBytes * 1000;
}
