import type { KindDefinition } from '../../../protocol/kinds/define-kind.ts';
import type { KindSet } from '../../../protocol/kinds/kind-set.ts';
import { isObject, type JsonObject } from '../../../protocol/patch/json-value.ts';
import { quantityMillis } from '../../../protocol/quantity.ts';
import { selectorText } from '../../../protocol/selectors.ts';
import type { MetricPlace, OtherMetrics, PodReading } from './metric-reading.ts';

/** The servers that answer for groups of metrics, found by APIServices. */
export interface MetricsServers {
  /** Versions of the group that are answered for, the preferred one first. */
  versions(group: string): readonly string[];
  /** What is at the path, or a Status. Rejects with words. */
  read(path: string): Promise<{ status: number; body: unknown }>;
}

/** Of custom metrics, the newest first; an older one carries the same figures under other names. */
const customVersions = ['v1beta2', 'v1beta1'];
const externalVersions = ['v1beta1'];
/** Kubernetes' assumption where a server does not say it. */
const windowMsWithoutSaying = 60_000;

type Which = 'custom' | 'external';

/** Reads `custom.metrics.k8s.io` and `external.metrics.k8s.io` from whoever serves them. Values are in thousandths. */
export function createServedMetrics(servers: MetricsServers, kinds: KindSet): OtherMetrics {
  return {
    async ofPods({ namespace, metric, labelSelector }) {
      const path = `namespaces/${namespace}/pods/*/${encodeURIComponent(metric.name)}`;
      const query = { labelSelector, metricLabelSelector: selectorText(metric.selector) };
      const items = await readItems(servers, 'custom', path, query);
      return new Map(items.map((item) => [nameOfDescribed(item), podReading(item)]));
    },
    async ofObject({ namespace, metric, kind, apiVersion, name }) {
      const query = { metricLabelSelector: selectorText(metric.selector) };
      const place = objectPlace(kinds, { namespace, kind, apiVersion, name });
      const [item] = await readItems(servers, 'custom', `${place}/${encodeURIComponent(metric.name)}`, query);
      return valueOf(item);
    },
    async external({ namespace, metric }) {
      const query = { labelSelector: selectorText(metric.selector) };
      const items = await readItems(
        servers,
        'external',
        `namespaces/${namespace}/${encodeURIComponent(metric.name)}`,
        query,
      );
      return items.map(valueOf);
    },
  };
}

type Item = Readonly<JsonObject>;

async function readItems(
  servers: MetricsServers,
  which: Which,
  path: string,
  query: Readonly<Record<string, string>>,
): Promise<readonly Item[]> {
  const group = `${which}.metrics.k8s.io`;
  const unable = `unable to fetch metrics from ${which} metrics API`;
  const served = servers.versions(group);
  const known = which === 'custom' ? customVersions : externalVersions;
  const version = served.find((one) => known.includes(one));
  if (version === undefined) throw new Error(`${unable}: no ${which} metrics API (${group}) registered`);
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '')).toString();
  const address = `/apis/${group}/${version}/${path}${asked === '' ? '' : `?${asked}`}`;
  const { status, body } = await servers.read(address).catch((error: unknown) => {
    throw new Error(`${unable}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  });
  const answer = isObject(body) ? body : {};
  if (status !== 200) throw new Error(`${unable}: ${wordsOf(answer, status)}`);
  const items = Array.isArray(answer.items) ? answer.items.filter(isObject) : [];
  if (items.length === 0) throw new Error(`no metrics returned from ${which} metrics API`);
  return items;
}

function wordsOf({ message }: Item, status: number): string {
  return typeof message === 'string' && message !== '' ? message : `the server answered ${status}`;
}

function objectPlace(
  kinds: KindSet,
  { namespace, kind, apiVersion, name }: Omit<MetricPlace, 'labelSelector' | 'metric'> & ObjectName,
): string {
  if (kind === 'Namespace' && apiVersion === 'v1') return `namespaces/${encodeURIComponent(name)}/metrics`;
  const found = kindOf(kinds, kind, apiVersion);
  if (!found) throw new Error(`no matches for kind "${kind}" in version "${apiVersion}"`);
  const segment = encodeURIComponent(name);
  const resource = found.group === '' ? found.plural : `${found.plural}.${found.group}`;
  return `${found.namespaced ? `namespaces/${namespace}/` : ''}${resource}/${segment}`;
}

interface ObjectName {
  kind: string;
  apiVersion: string;
  name: string;
}

/** The version need not be the one that is stored. */
function kindOf(kinds: KindSet, name: string, apiVersion: string): KindDefinition | undefined {
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : '';
  for (const kind of kinds) if (kind.kind === name && kind.group === group) return kind;
  return undefined;
}

function nameOfDescribed({ describedObject }: Item): string {
  return isObject(describedObject) && typeof describedObject.name === 'string' ? describedObject.name : '';
}

function podReading(item: Item): PodReading {
  const { timestamp, windowSeconds } = item;
  const timestampMs = typeof timestamp === 'string' ? Date.parse(timestamp) : Number.NaN;
  return {
    value: valueOf(item),
    timestampMs: Number.isNaN(timestampMs) ? 0 : timestampMs,
    windowMs: typeof windowSeconds === 'number' ? windowSeconds * 1000 : windowMsWithoutSaying,
  };
}

function valueOf(item: Item | undefined): number {
  const value = item?.value;
  if (typeof value !== 'string' && typeof value !== 'number')
    throw new Error('the metrics API gave no value');
  return quantityMillis(String(value));
}
