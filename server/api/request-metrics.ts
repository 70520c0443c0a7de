import type { Counter, Histogram, Metrics } from '../../lib/metrics.ts';
import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import type { AuditTrail } from './audit/audit-trail.ts';
import type { KindIndex } from './kind-index.ts';
import type { RequestInfo, ResourceRequest } from './request/request-info.ts';

/** A request from its arrival to its last byte, for the metrics. */
export interface OpenRequest {
  readonly method: string;
  /** By a monotonic clock. */
  readonly sinceMs: number;
  readonly dryRun: boolean;
  /** A server-side apply. */
  readonly applies: boolean;
  /** Absent until the request is understood, and for one that never is. */
  info?: RequestInfo;
  /** Present when the request is noted. */
  audit?: AuditTrail;
}

/** What is told of each request, under the names and labels of kube-apiserver. */
export class RequestMetrics {
  readonly #kinds: KindIndex;
  readonly #total: Counter;
  readonly #seconds: Histogram;
  readonly #watchEvents: Counter;

  /** `open` are the requests under way, with whether each runs long: counted when somebody asks. */
  constructor(
    metrics: Metrics,
    kinds: KindIndex,
    open: () => Iterable<{ request: OpenRequest; long: boolean }>,
  ) {
    this.#kinds = kinds;
    this.#total = metrics.counter({
      name: 'apiserver_request_total',
      help: 'Requests by verb, resource and HTTP status.',
      labels: [...requestLabels, 'code'],
    });
    this.#seconds = metrics.histogram({
      name: 'apiserver_request_duration_seconds',
      help: 'Time from the arrival of a request to the end of its answer, in seconds.',
      labels: requestLabels,
      buckets: requestSeconds,
    });
    this.#watchEvents = metrics.counter({
      name: 'apiserver_watch_events_total',
      help: 'Events sent to watch clients.',
      labels: ['group', 'version', 'kind'],
    });
    metrics.read({
      name: 'apiserver_current_inflight_requests',
      help: 'Requests being worked now, without those that run long.',
      labels: ['request_kind'],
      type: 'gauge',
      values: () => inFlight(open()),
    });
    metrics.read({
      name: 'apiserver_longrunning_requests',
      help: 'Watches, followed logs and sessions that are open now.',
      labels: longRunningLabels,
      type: 'gauge',
      values: () => this.#longRunning(open()),
    });
  }

  ended(request: OpenRequest, code: number, nowMs: number): void {
    const labels = this.#labelsOf(request);
    this.#total.of(...labels, String(code)).add();
    this.#seconds.of(...labels).observe((nowMs - request.sinceMs) / 1_000);
  }

  watchEvents({ group, version, kind }: KindDefinition): { add(count?: number): void } {
    return this.#watchEvents.of(group, version, kind);
  }

  /** Only served kinds and known paths get names of their own, so that a client cannot make up labels. */
  #labelsOf({ method, dryRun, applies, info }: OpenRequest): string[] {
    const dry = dryRun ? 'All' : '';
    if (info?.type === 'resource' && this.#kinds.find(info.group, info.version, info.resource)) {
      const { group, version, resource, subresource = '' } = info;
      const known = knownSubresources.has(subresource) ? subresource : '';
      const verb = applies && info.verb === 'patch' ? 'APPLY' : verbOf(info);
      return [verb, dry, group, version, resource, known, scopeOf(info), component];
    }
    const path = info?.type === 'path' ? (/^\/[a-z]*/.exec(info.path)?.[0] ?? '') : '';
    return [method, dry, '', '', '', knownPaths.has(path) ? path : '', '', component];
  }

  #longRunning(open: Iterable<{ request: OpenRequest; long: boolean }>) {
    const counts = new Map<string, { labels: string[]; value: number }>();
    for (const { request, long } of open) {
      if (!long) continue;
      const [verb = '', , ...labels] = this.#labelsOf(request);
      const key = [verb, ...labels].join('\0');
      const sample = counts.get(key) ?? { labels: [verb, ...labels], value: 0 };
      sample.value += 1;
      counts.set(key, sample);
    }
    return [...counts.values()];
  }
}

const component = 'apiserver';
const longRunningLabels = ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component'];
const requestLabels = ['verb', 'dry_run', ...longRunningLabels.slice(1)];
const requestSeconds = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
const knownSubresources = new Set([
  'approval',
  'attach',
  'binding',
  'ephemeralcontainers',
  'eviction',
  'exec',
  'finalize',
  'log',
  'portforward',
  'proxy',
  'resize',
  'scale',
  'status',
  'token',
]);
const sessions = new Set(['attach', 'exec', 'log', 'portforward', 'proxy']);
const knownPaths = new Set([
  '/api',
  '/apis',
  '/healthz',
  '/livez',
  '/metrics',
  '/openapi',
  '/readyz',
  '/version',
]);

const metricVerbs: Readonly<Record<ResourceRequest['verb'], string>> = {
  create: 'POST',
  delete: 'DELETE',
  deletecollection: 'DELETECOLLECTION',
  get: 'GET',
  list: 'LIST',
  patch: 'PATCH',
  update: 'PUT',
  watch: 'WATCH',
};

function verbOf({ verb, subresource }: ResourceRequest): string {
  return subresource !== undefined && sessions.has(subresource) ? 'CONNECT' : metricVerbs[verb];
}

function scopeOf({ name, namespace }: ResourceRequest): string {
  if (name !== undefined) return 'resource';
  return namespace === undefined ? 'cluster' : 'namespace';
}

function inFlight(open: Iterable<{ request: OpenRequest; long: boolean }>) {
  const counts = { mutating: 0, readOnly: 0 };
  for (const { request, long } of open) {
    if (long) continue;
    counts[request.method === 'GET' || request.method === 'HEAD' ? 'readOnly' : 'mutating'] += 1;
  }
  return Object.entries(counts).map(([kind, value]) => ({ labels: [kind], value }));
}
