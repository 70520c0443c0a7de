import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { createMetrics, type Metrics } from '../../lib/metrics.ts';
import { type Random, systemRandom } from '../../lib/random.ts';
import { componentStatusKind } from '../../protocol/kinds/component-status.ts';
import type { KindSet } from '../../protocol/kinds/kind-set.ts';
import { metricsKinds } from '../../protocol/kinds/metrics.ts';
import { reviewKinds } from '../../protocol/kinds/reviews.ts';
import type { FieldSchemaOf } from '../../protocol/patch/field-schema.ts';
import { createProtobufDecoder } from '../../protocol/protobuf/decode-protobuf.ts';
import { messageTable } from '../../protocol/protobuf/message-table.ts';
import { createObjectDecoder } from '../../protocol/schema/decode-object.ts';
import { schemas } from '../../protocol/schema/schemas.ts';
import { type AggregatedApis, noAggregatedApis } from '../aggregation/aggregated-apis.ts';
import type { FleetUsage } from '../nodes/fleet-usage.ts';
import type { PodStreams } from '../nodes/pod-streams.ts';
import type { Admission } from '../registry/admission.ts';
import type { Registry } from '../registry/registry.ts';
import type { ApiAccess } from './access/access.ts';
import { aggregatedApi } from './aggregation/aggregated-api.ts';
import { apiLimits } from './api-limits.ts';
import type { Auditor } from './audit/auditor.ts';
import { ConnectionGuard } from './connection-guard.ts';
import { Documents } from './discovery/documents.ts';
import type { HealthCheck } from './health.ts';
import { followKinds, pathOfGroupVersion } from './kind-index.ts';
import { RequestListener } from './request-listener.ts';
import { RequestMetrics } from './request-metrics.ts';
import { EncodedEvents } from './response/encoded-events.ts';
import { mayUpgrade } from './subresources/upgrade.ts';
import type { VersionInfo } from './version.ts';

export interface ApiServerOptions {
  registry: Registry;
  /** The registry's. */
  admission: Admission;
  /** The stored kinds; reviews and measurements are served beside them. */
  kinds: KindSet;
  /** What is passed on to other servers; nothing unless given. */
  aggregated?: AggregatedApis;
  podStreams: PodStreams;
  usage: FleetUsage;
  /** PEM. Client certificates are believed when `ca` signed them. */
  tls: { key: string; certificate: string; ca: string };
  access: ApiAccess;
  /** Notes requests in an audit log; nobody does without it. */
  auditor?: Auditor | undefined;
  /** Address to listen on. */
  bind: string;
  /** 0: any free one. */
  port: number;
  clock: Clock;
  log: Logger;
  version: VersionInfo;
  checks: readonly HealthCheck[];
  /** How fields are owned; the registry's, where it keeps managedFields. */
  fieldSchemaOf: FieldSchemaOf;
  random?: Random;
  /** Where the API counts, and what `/metrics` tells. */
  metrics?: Metrics;
  /** How long a client may take; apiLimits says unless given. */
  timeouts?: { headersMs: number; requestMs?: number; checkEveryMs: number };
}

export interface ApiServer {
  /** The port that was bound. */
  readonly port: number;
  /** Ends watches cleanly, lets requests under way finish for a moment, then drops what is left: done within 2 s. */
  close(): Promise<void>;
}

/** Serves the Kubernetes API over HTTPS (HTTP/1.1). Rejects as `listen` does, e.g. EADDRINUSE. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { registry, podStreams, usage, clock, log, version, checks, random = systemRandom } = options;
  const stopping = new AbortController();
  const documents = new Documents();
  const kinds = followKinds(
    { set: options.kinds, fixed: [...reviewKinds, ...metricsKinds, componentStatusKind] },
    (changed) => documents.forget(changed.map(pathOfGroupVersion)),
  );
  const { aggregated = noAggregatedApis } = options;
  const following = aggregated.onChange((changed) => documents.forget(changed.map(pathOfGroupVersion)));
  const metrics = options.metrics ?? createMetrics();
  const listener: RequestListener = new RequestListener({
    services: {
      registry,
      admission: options.admission,
      podStreams,
      usage,
      clock,
      log,
      version,
      checks,
      random,
      kinds,
      aggregated,
      access: options.access,
      auditor: options.auditor,
      metrics: new RequestMetrics(metrics, kinds, () => listener.openRequests()),
      metricsText: () => metrics.text(),
      encodedEvents: new EncodedEvents(apiLimits.encodedEventsBytesMax),
      documents,
      decoder: createObjectDecoder(schemas),
      protobuf: createProtobufDecoder(messageTable),
      fieldSchemaOf: options.fieldSchemaOf,
      longRunning: new Set(),
      stopping: stopping.signal,
    },
  });
  const server = createHttpsServer(options, aggregated);
  const guard = new ConnectionGuard(server);
  server.on('request', (request, response) => {
    if (guard.admitsRequest(request, response)) listener.answer(request, response);
  });
  server.on('upgrade', (request, socket: Socket, head) => listener.answerUpgrade(request, socket, head));
  server.on('tlsClientError', (error) => log.debug('TLS handshake failed', { error: error.message }));
  await listen(server, options);
  const { port } = server.address() as AddressInfo;
  log.info('API server listens', { bind: options.bind, port });

  return {
    port,
    async close() {
      stopping.abort();
      following[Symbol.dispose]();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      listener.endLongRunning();
      guard.destroyIdle();
      const deadline = clock.after(apiLimits.closeGraceMs, () => guard.destroyAll());
      await closed;
      deadline.cancel();
    },
  };
}

function createHttpsServer({ tls, timeouts }: ApiServerOptions, aggregated: AggregatedApis): Server {
  const server = createServer({
    key: tls.key,
    cert: tls.certificate,
    ca: tls.ca,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    // Who shows no certificate, or a wrong one, shall be told so by a Status instead of a broken handshake.
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: apiLimits.handshakeTimeoutMs,
    headersTimeout: timeouts?.headersMs ?? apiLimits.headersTimeoutMs,
    requestTimeout: timeouts?.requestMs ?? apiLimits.requestTimeoutMs,
    keepAliveTimeout: apiLimits.keepAliveTimeoutMs,
    connectionsCheckingInterval: timeouts?.checkEveryMs ?? apiLimits.connectionsCheckMs,
    maxHeaderSize: apiLimits.headerBytesMax,
    keepAlive: true,
    keepAliveInitialDelay: apiLimits.tcpKeepAliveMs,
    noDelay: true,
    // What an extension server switches to is between it and the client.
    shouldUpgradeCallback: (request) =>
      mayUpgrade(request) || aggregatedApi({ aggregated }, request.url ?? '') !== undefined,
  });
  server.maxHeadersCount = apiLimits.headersCountMax;
  server.maxConnections = apiLimits.connectionsMax;
  server.timeout = apiLimits.stalledReaderMs;
  return server;
}

function listen(server: Server, { bind, port }: Pick<ApiServerOptions, 'bind' | 'port'>): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, bind, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
