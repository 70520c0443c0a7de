import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import { createQueueMetrics } from '../lib/queue-metrics.ts';
import type { Random } from '../lib/random.ts';
import type { KindSet } from '../protocol/kinds/kind-set.ts';
import type { QuotaLedger } from './admission/quota/quota-ledger.ts';
import type { AggregatedApis } from './aggregation/aggregated-apis.ts';
import { createEverywhere } from './aggregation/everywhere.ts';
import { createMetricsServers } from './aggregation/metrics-servers.ts';
import { configuredRangeName, hasRoom, isOfNetwork } from './allocation/added-ranges.ts';
import type { ApiAccess } from './api/access/access.ts';
import type { Bus } from './bus/bus.ts';
import type { Cache } from './cache/informer.ts';
import { ConfigError } from './config/server-config.ts';
import {
  type CertificateApprover,
  certificateApprovingController,
} from './controllers/certificates/approving-controller.ts';
import { certificateSigningController } from './controllers/certificates/signing-controller.ts';
import { horizontalPodAutoscalerController } from './controllers/horizontal-pod-autoscaler/horizontal-pod-autoscaler-controller.ts';
import { createServedMetrics } from './controllers/horizontal-pod-autoscaler/served-metrics.ts';
import { kubernetesServiceController, type ServerPlace } from './controllers/kubernetes-service.ts';
import { controllers } from './controllers/registry.ts';
import { resourceQuotaController } from './controllers/resource-quota-controller.ts';
import { rootCaPublisher } from './controllers/root-ca-publisher.ts';
import { runControllers } from './controllers/run-controllers.ts';
import { serviceCidrController } from './controllers/service-cidrs.ts';
import { tokenSecretsController } from './controllers/token-secrets.ts';
import type { Identity } from './identity/identity.ts';
import type { FleetUsage } from './nodes/fleet-usage.ts';
import type { IssuePodToken } from './nodes/pod-tokens.ts';
import { startNodes } from './nodes/start-nodes.ts';
import { createEventRecorder } from './registry/event-recorder.ts';
import type { Registry } from './registry/registry.ts';
import { type ProfileSettings, unknownPlugins } from './scheduler/profiles.ts';
import { schedulerPlugins } from './scheduler/registry.ts';
import { startScheduler } from './scheduler/scheduler.ts';

/** A token in a Secret holds as long as the Secret: this is longer than anybody keeps one. */
const lastingTokenSeconds = 20 * 365 * 24 * 3600;

export interface WorkParts {
  schedulerProfiles: readonly ProfileSettings[] | undefined;
  registry: Registry;
  kinds: KindSet;
  cache: Cache;
  bus: Bus;
  identity: Identity;
  access: ApiAccess;
  usage: FleetUsage;
  metrics: Metrics;
  place: ServerPlace;
  quotas: QuotaLedger;
  aggregated: AggregatedApis;
}

/** What acts on its own: controllers, the scheduler, the devices' sessions, all over one cache. */
export async function startWork(
  { clock, random, log }: { clock: Clock; random: Random; log: Logger },
  {
    registry,
    cache,
    kinds,
    bus,
    identity,
    access,
    usage,
    metrics,
    place,
    quotas,
    aggregated,
    ...settings
  }: WorkParts,
  parts: AsyncDisposableStack,
): Promise<void> {
  const events = createEventRecorder({ registry, clock, log, component: 'flotilla-server' });
  const issuePodToken: IssuePodToken = ({ account, pod, node, audience, expirationSeconds }) => ({
    ...access.serviceAccounts.issue({
      account,
      audiences: audience === undefined ? access.audiences : [audience],
      expirationSeconds,
      boundTo: { kind: 'Pod', pod, ...(node ? { node } : {}) },
    }),
    apiPort: place.port,
  });
  parts.use(await startNodes({ registry, cache, bus, clock, random, log, events, issuePodToken }));
  const tokenSecrets = tokenSecretsController({
    caCertificate: identity.caCertificate,
    issue: ({ account, secret }) =>
      access.serviceAccounts.issue({
        account,
        audiences: access.audiences,
        expirationSeconds: lastingTokenSeconds,
        boundTo: { kind: 'Secret', object: secret },
      }).token,
  });
  const all = [
    ...controllers,
    tokenSecrets,
    certificateSigningController(identity.requestSigner),
    certificateApprovingController({ read: identity.requestSigner.read, may: mayHaveCertificate(access) }),
    kubernetesServiceController(place),
    serviceCidrController({ configured: configuredRangeName, hasRoom, isOfNetwork }),
    rootCaPublisher(identity),
    resourceQuotaController(quotas),
    horizontalPodAutoscalerController({
      usage,
      others: createServedMetrics(createMetricsServers(aggregated), kinds),
    }),
  ];
  const queueMetrics = createQueueMetrics(metrics);
  const everywhere = parts.use(createEverywhere({ registry, cache, kinds }, aggregated, { clock, log }));
  const running = { registry, cache, kinds, everywhere, clock, log, events, queueMetrics };
  parts.use(await runControllers(all, running));
  const plugins = schedulerPlugins;
  const profiles = profilesOf(settings.schedulerProfiles);
  parts.use(await startScheduler({ registry, cache, clock, log, events, plugins, profiles, metrics }));
}

function mayHaveCertificate({ authorize }: ApiAccess): CertificateApprover['may'] {
  const asked = {
    type: 'resource',
    verb: 'create',
    group: 'certificates.k8s.io',
    resource: 'certificatesigningrequests',
    namespace: undefined,
    name: undefined,
  } as const;
  return async (user, subresource) => (await authorize(user, { ...asked, subresource })).allowed;
}

function profilesOf(
  settings: readonly ProfileSettings[] | undefined,
): readonly ProfileSettings[] | undefined {
  const [unknown] = unknownPlugins(settings ?? [], schedulerPlugins);
  if (unknown === undefined) return settings;
  const names = schedulerPlugins.map(({ name }) => name).join(', ');
  throw new ConfigError(`schedulerProfiles: there is no plugin ${unknown}; there are ${names}`);
}
