import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import type { Random } from '../lib/random.ts';
import { writeFileAtomic } from '../lib/write-file-atomic.ts';
import { goArchitecture } from '../protocol/go-architecture.ts';
import type { KindSet } from '../protocol/kinds/kind-set.ts';
import { kinds } from '../protocol/kinds/registry.ts';
import { reviewKinds } from '../protocol/kinds/reviews.ts';
import { compileFieldSchemas, type FieldSchemaOf } from '../protocol/patch/field-schema.ts';
import { schemas } from '../protocol/schema/schemas.ts';
import { flotillaVersion } from '../protocol/version.ts';
import { type AdmissionChain, createAdmission } from './admission/create-admission.ts';
import type { AdmissionContext } from './admission/define-admission.ts';
import { QuotaLedger } from './admission/quota/quota-ledger.ts';
import { admissionPlugins } from './admission/registry.ts';
import type { AggregatedApis } from './aggregation/aggregated-apis.ts';
import { publishTrust } from './aggregation/publish-trust.ts';
import { followApiServices, startAggregation } from './aggregation/start-aggregation.ts';
import { type ApiAccess, createAccess } from './api/access/access.ts';
import { type ApiServer, startApiServer } from './api/api-server.ts';
import type { Auditor } from './api/audit/auditor.ts';
import type { HealthCheck } from './api/health.ts';
import { versionInfo } from './api/version.ts';
import { ensureBuiltIns } from './built-in-objects.ts';
import type { Authenticator } from './bus/broker-hooks.ts';
import { type EmbeddedBroker, startEmbeddedBroker } from './bus/embedded-broker.ts';
import { settlePacketNumbers } from './bus/packet-numbers.ts';
import { createCache } from './cache/create-cache.ts';
import type { ServerConfig } from './config/server-config.ts';
import { startExtensions } from './extensions/start-extensions.ts';
import { healthChecks } from './health-checks.ts';
import { type Identity, openIdentity } from './identity/identity.ts';
import { createJoinService } from './identity/join-service.ts';
import { measureServer } from './measure-server.ts';
import { createFleetUsage, type FleetUsage } from './nodes/fleet-usage.ts';
import type { PodStreams } from './nodes/pod-streams.ts';
import { createPodStreams } from './nodes/stream-sessions.ts';
import { openAudit } from './open-audit.ts';
import { createOutgoing, type Outgoing } from './outgoing/outgoing.ts';
import { readAuthentication } from './read-authentication.ts';
import type { Admission } from './registry/admission.ts';
import { createRegistry } from './registry/create-registry.ts';
import type { Registry } from './registry/registry.ts';
import { listeningAddresses, serviceNetworks } from './service-networks.ts';
import { startWork, type WorkParts } from './start-work.ts';
import { compactPeriodically } from './store/compact-periodically.ts';
import { openLevelStore } from './store/level-store.ts';
import { measureStore } from './store/measured-store.ts';

/** The server's composition root: everything is made here, handed what it needs, and taken down in reverse order. */
export interface RunningServer extends AsyncDisposable {
  apiUrl: string;
  mqttPort: number;
  /** Path of the admin kubeconfig. */
  kubeconfig: string;
}

export interface ServerContext {
  clock: Clock;
  random: Random;
  log: Logger;
}

/**
 * Starts everything; resolves when the API and the broker answer. Rejects with a coded error (StoreError,
 * ConfigError, an errno of the operating system) when something is in the way, with nothing left running.
 */
export async function runServer(config: ServerConfig, context: ServerContext): Promise<RunningServer> {
  const parts = new AsyncDisposableStack();
  try {
    const running = await startParts(config, context, parts);
    return { ...running, [Symbol.asyncDispose]: () => parts.disposeAsync() };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

async function startParts(
  config: ServerConfig,
  context: ServerContext,
  parts: AsyncDisposableStack,
): Promise<Omit<RunningServer, typeof Symbol.asyncDispose>> {
  const { clock, random, log } = context;
  await mkdir(config.data, { recursive: true, mode: 0o700 });
  const metrics = createMetrics();
  const directory = join(config.data, 'store');
  const store = parts.use(
    measureStore(await openLevelStore({ directory, clock, log, random }), metrics, clock),
  );
  const stopping = new AbortController();
  parts.defer(() => stopping.abort());
  const keepMs = config.historySeconds * 1000;
  void compactPeriodically(store, { clock, log, keepMs, signal: stopping.signal });
  const fieldSchemaOf = compileFieldSchemas(schemas);
  const admission = createAdmission();
  const { allocators, placeOf, followAdded } = serviceNetworks(config, random);
  const registry = createRegistry({ store, clock, random, log, kinds, fieldSchemaOf, admission, allocators });
  await ensureBuiltIns(registry);
  const cache = parts.use(createCache({ registry, clock, log }));
  followApiServices(cache);
  followAdded(cache);
  const outgoing = parts.use(createOutgoing({ cache, clock, random }));
  const extensions = parts.use(
    await startExtensions({ registry, cache, builtIn: kinds, outgoing, clock, random, log }),
  );
  const identity = parts.use(await openServerIdentity(config, context));
  await publishTrust(registry, { clientCa: identity.caCertificate, frontProxy: identity.frontProxy });
  const joining = createJoinService({ registry, identity, clock, log });
  const bus = parts.use(await startBus(config, context, { identity, authenticator: joining }));
  measureServer(metrics, { kinds, store, bus, clock });
  parts.use(joining.serve(bus));
  const devices = {
    podStreams: parts.use(createPodStreams({ bus, clock, random, log })),
    usage: parts.use(createFleetUsage({ bus, clock, random, log })),
  };
  const login = await readAuthentication(config);
  const { tokenSigner: signer } = identity;
  const access = createAccess({ registry, cache, signer, ...login, clock, random, log });
  const quotas = new QuotaLedger({ registry, cache, kinds: extensions.kinds, clock });
  const reviewed = { registry, cache, kinds: extensions.kinds, ...context, quotas, outgoing };
  installAdmission(admission, { access, reviewed });
  await cache.synced();
  const working = { informers: false };
  const checks = healthChecks({ registry, bus, working });
  const served = extensions.kinds;
  const known = { registry, cache, kinds: served, identity, outgoing };
  const aggregated = await startAggregated(context, known, parts);
  const auditor = await openAudit(config, { clock, random, log, metrics }, parts);
  const policy = { access, admission, fieldSchemaOf, auditor };
  const apiParts = { registry, aggregated, kinds: served, identity, ...devices, ...policy, metrics, checks };
  const api = parts.adopt(await startApi(config, context, apiParts), (server) => server.close());
  const apiUrl = `https://${urlHost(config.bind)}:${api.port}`;
  const kubeconfig = join(config.data, 'kubeconfig');
  await writeFileAtomic(kubeconfig, identity.kubeconfig({ server: apiUrl, cluster: config.cluster }), 0o600);
  const place = placeOf(api.port);
  const { usage } = devices;
  const { schedulerProfiles } = config;
  const work = { ...known, bus, access, usage, metrics, place, quotas, aggregated, schedulerProfiles };
  await startWork(context, work, parts);
  working.informers = true;
  return { apiUrl, mqttPort: bus.port, kubeconfig };
}

function openServerIdentity(
  { data, cluster, bind, advertise }: ServerConfig,
  context: ServerContext,
): Promise<Identity> {
  const names = [hostname(), ...listeningAddresses(bind), ...advertise];
  return openIdentity({ directory: join(data, 'pki'), cluster, names, ...context });
}

/** What other servers answer for. */
async function startAggregated(
  { clock, log }: ServerContext,
  {
    identity,
    ...known
  }: Pick<WorkParts, 'registry' | 'cache' | 'kinds' | 'identity'> & { outgoing: Outgoing },
  parts: AsyncDisposableStack,
): Promise<AggregatedApis> {
  const { frontProxy } = identity;
  const options = { ...known, fixedKinds: reviewKinds, certificate: frontProxy, clock, log };
  return parts.use(startAggregation(options)).apis;
}

async function startBus(
  { cluster, bind, mqttPort }: ServerConfig,
  { clock, log }: ServerContext,
  { identity, authenticator }: { identity: Identity; authenticator: Authenticator },
): Promise<EmbeddedBroker> {
  const listen = { tls: identity.server, bind, port: mqttPort };
  settlePacketNumbers();
  const bus = await startEmbeddedBroker({ cluster, authenticator, clock, log, listen });
  identity.onRenewed((server) => bus.useCertificate(server));
  return bus;
}

interface ApiParts {
  admission: Admission;
  aggregated: AggregatedApis;
  fieldSchemaOf: FieldSchemaOf;
  registry: Registry;
  kinds: KindSet;
  identity: Identity;
  podStreams: PodStreams;
  usage: FleetUsage;
  access: ApiAccess;
  auditor: Auditor | undefined;
  metrics: Metrics;
  checks: readonly HealthCheck[];
}

async function startApi(
  { bind, apiPort }: ServerConfig,
  { clock, random, log }: ServerContext,
  { identity, ...parts }: ApiParts,
): Promise<ApiServer> {
  const { key, cert, ca } = identity.server;
  const api = await startApiServer({
    ...parts,
    tls: { key, certificate: cert, ca },
    bind,
    port: apiPort,
    clock,
    random,
    log,
    version: versionInfo({ flotilla: flotillaVersion, platform: `linux/${goArchitecture(process.arch)}` }),
  });
  return api;
}

/** Where clients on this machine reach an address that the server is bound to. */
function urlHost(bind: string): string {
  if (bind === '0.0.0.0') return '127.0.0.1';
  if (bind === '::') return '[::1]';
  return bind.includes(':') ? `[${bind}]` : bind;
}

function installAdmission(
  admission: AdmissionChain,
  { access, reviewed }: { access: ApiAccess; reviewed: Omit<AdmissionContext, 'may'> },
): void {
  const context = { ...reviewed, may: mayDo(access) };
  admission.install([...access.admission, ...admissionPlugins.map((plugin) => plugin.setup(context))]);
}

function mayDo({ authorize }: ApiAccess): AdmissionContext['may'] {
  return async (user, asked) => {
    if ('path' in asked) return (await authorize(user, { type: 'path', ...asked })).allowed;
    const { subresource, namespace, name } = asked;
    return (await authorize(user, { ...asked, type: 'resource', subresource, namespace, name })).allowed;
  };
}
