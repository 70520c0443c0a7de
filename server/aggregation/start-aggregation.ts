import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { WorkQueue } from '../../lib/work-queue.ts';
import type { APIService } from '../../protocol/generated/models.ts';
import { apiServiceKind } from '../../protocol/kinds/api-service.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import { endpointSliceKind } from '../../protocol/kinds/endpoint-slice.ts';
import type { KindSet } from '../../protocol/kinds/kind-set.ts';
import { serviceKind } from '../../protocol/kinds/service.ts';
import { storedMeta, timestamp } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Cache, Informer } from '../cache/informer.ts';
import type { Outgoing } from '../outgoing/outgoing.ts';
import type { Registry } from '../registry/registry.ts';
import type { AggregatedApi, AggregatedApis, GroupVersionName } from './aggregated-apis.ts';
import { localApiServices, managedLabel } from './local-api-services.ts';
import { type Finding, RemoteApi } from './remote-api.ts';

export interface AggregationOptions {
  registry: Registry;
  /** Must have synced the APIServices, Services and EndpointSlices that `followApiServices` asked for. */
  cache: Cache;
  /** What this server answers for itself, as far as it is stored. */
  kinds: KindSet;
  /** What it answers for beside that. */
  fixedKinds: readonly KindDefinition[];
  outgoing: Outgoing;
  certificate: { key: string; certificate: string };
  clock: Clock;
  log: Logger;
}

export interface Aggregation extends AsyncDisposable {
  readonly apis: AggregatedApis;
}

const backoff = { baseMs: 100, capMs: 30_000 };
const workers = 8;
const checkEveryMs = 30_000;
/** An extension server that starts is found this soon. */
const checkFailingEveryMs = 3_000;
const byService = 'aggregation/service';

/** Has the cache follow what aggregation looks at. */
export function followApiServices(cache: Cache): Informer<APIService> {
  return cache.informer(apiServiceKind);
}

/**
 * Keeps an APIService for each group version that this server answers for, looks whether the servers behind the others
 * answer, and says so in their conditions. What was there before is passed on to at once.
 */
export function startAggregation(options: AggregationOptions): Aggregation {
  const { cache, kinds, clock, log } = options;
  const services = followApiServices(cache);
  const remotes = new RemoteApis(options, (name) => queue.add(name));
  const queue = new WorkQueue({
    clock,
    workers,
    backoff,
    work: (name) => reconcile(options, { services, remotes }, name),
    onError: (name, error, failures) => {
      const level = isStatus(error, 'Conflict') || isStatus(error, 'NotFound') ? 'debug' : 'warn';
      log[level]('APIService not reconciled', { name, error, failures });
    },
  });
  services.addIndex(byService, ({ spec }) =>
    spec?.service ? [`${spec.service.namespace ?? ''}/${spec.service.name ?? ''}`] : [],
  );
  const ask = (namespace: string | undefined, name: string | undefined) => {
    for (const { metadata } of services.byIndex(byService, `${namespace ?? ''}/${name ?? ''}`))
      queue.add(metadata?.name ?? '');
  };
  for (const service of services.list()) remotes.put(service);
  const following = [
    services.onChange(({ type, object }) => {
      if (type !== 'deleted') remotes.put(object);
      queue.add(storedMeta(object).name);
    }),
    cache
      .informer(serviceKind)
      .onChange(({ object: { metadata } }) => ask(metadata?.namespace, metadata?.name)),
    cache
      .informer(endpointSliceKind)
      .onChange(({ object: { metadata } }) =>
        ask(metadata?.namespace, metadata?.labels?.['kubernetes.io/service-name']),
      ),
    kinds.onChange(({ added, removed }) => {
      for (const name of localApiServices([...added, ...removed]).keys()) queue.add(name);
    }),
  ];
  for (const name of localApiServices([...kinds, ...options.fixedKinds]).keys()) queue.add(name);
  return {
    apis: remotes,
    async [Symbol.asyncDispose]() {
      for (const each of following) each[Symbol.dispose]();
      await queue.stop();
    },
  };
}

interface Parts {
  services: Informer<APIService>;
  remotes: RemoteApis;
}

async function reconcile(
  options: AggregationOptions,
  { services, remotes }: Parts,
  name: string,
): Promise<{ requeueAfterMs: number } | undefined> {
  const { registry, kinds, fixedKinds, clock, log } = options;
  const stored = services.get(undefined, name);
  const local = localApiServices([...kinds, ...fixedKinds].filter((kind) => nameOf(kind) === name)).get(name);
  if (!stored) {
    remotes.remove(name);
    if (local) await createLocal(registry, local);
    return undefined;
  }
  if (!stored.spec?.service) {
    remotes.remove(name);
    if (local || stored.metadata?.labels?.[managedLabel] === undefined)
      await tell(options, stored, alwaysLocal);
    else await registry.delete(apiServiceKind, { name }, { preconditions: { uid: storedMeta(stored).uid } });
    return undefined;
  }
  const remote = remotes.put(stored);
  const known = remote.resources;
  const finding = await remote.check();
  const cameOrWent = finding.available !== remote.available;
  remote.available = finding.available;
  if (cameOrWent || !sameValue(known, remote.resources)) remotes.tell([remote]);
  await tell(options, stored, finding);
  if (!finding.available) return { requeueAfterMs: checkFailingEveryMs };
  try {
    if (await remote.refreshOpenApi(clock.monotonic())) remotes.tell([remote]);
  } catch (error) {
    log.debug('OpenAPI of an aggregated API not read', { name, error });
  }
  return { requeueAfterMs: checkEveryMs };
}

const alwaysLocal: Finding = {
  available: true,
  reason: 'Local',
  message: 'Local APIServices are always available',
};

function nameOf({ group, version }: GroupVersionName): string {
  return `${version}.${group}`;
}

async function createLocal(registry: Registry, wanted: APIService): Promise<void> {
  await registry.create(apiServiceKind, wanted).catch((error: unknown) => {
    if (!isStatus(error, 'AlreadyExists')) throw error;
  });
}

/** Writes the condition; nothing where it says that already. */
async function tell(
  { registry, clock }: AggregationOptions,
  stored: Readonly<APIService>,
  { available, reason, message }: Finding,
): Promise<void> {
  const { name, uid } = storedMeta(stored);
  const status = available ? 'True' : 'False';
  const condition = { type: 'Available', status, reason, message };
  const isSaid = (of: Readonly<APIService>) =>
    of.status?.conditions?.some((one) => sameValue({ ...one, lastTransitionTime: undefined }, condition)) ??
    false;
  if (isSaid(stored)) return;
  await registry.mutate(
    apiServiceKind,
    { name },
    (draft) => {
      if (draft.metadata?.uid !== uid || isSaid(draft)) return;
      const old = draft.status?.conditions?.find(({ type }) => type === 'Available');
      const since = old?.status === status ? old.lastTransitionTime : undefined;
      const others = draft.status?.conditions?.filter(({ type }) => type !== 'Available') ?? [];
      const lastTransitionTime = since ?? timestamp(clock.now());
      draft.status = { ...draft.status, conditions: [...others, { ...condition, lastTransitionTime }] };
    },
    { subresource: 'status' },
  );
}

/** The servers behind APIServices, by the name of their APIService. */
class RemoteApis implements AggregatedApis {
  readonly #options: AggregationOptions;
  readonly #enqueue: (name: string) => void;
  readonly #remotes = new Map<string, RemoteApi>();
  readonly #handlers = new Set<(changed: readonly GroupVersionName[]) => void>();
  #sorted: readonly RemoteApi[] | undefined;

  constructor(options: AggregationOptions, enqueue: (name: string) => void) {
    this.#options = options;
    this.#enqueue = enqueue;
  }

  find(group: string, version: string): AggregatedApi | undefined {
    return this.#remotes.get(nameOf({ group, version }));
  }

  list(): readonly AggregatedApi[] {
    this.#sorted ??= [...this.#remotes.values()].sort(byPriority);
    return this.#sorted;
  }

  onChange(handler: (changed: readonly GroupVersionName[]) => void): Disposable {
    const own = (changed: readonly GroupVersionName[]) => handler(changed);
    this.#handlers.add(own);
    return { [Symbol.dispose]: () => void this.#handlers.delete(own) };
  }

  tell(changed: readonly GroupVersionName[]): void {
    for (const handler of this.#handlers) handler(changed);
  }

  /** Passes on what the APIService names from now on; one that names no Service takes nothing. */
  put(service: Readonly<APIService>): RemoteApi {
    const { name } = storedMeta(service);
    const known = this.#remotes.get(name);
    const { outgoing, certificate } = this.#options;
    const remote = known ?? new RemoteApi(service, { outgoing, certificate, suspect: this.#enqueue });
    if (!service.spec?.service) {
      this.remove(name);
      return remote;
    }
    const before = remote.priorities;
    if (known) known.update(service);
    else this.#remotes.set(name, remote);
    if (known && sameValue(before, known.priorities)) return remote;
    this.#sorted = undefined;
    this.tell([remote]);
    return remote;
  }

  remove(name: string): void {
    const remote = this.#remotes.get(name);
    if (!remote) return;
    this.#remotes.delete(name);
    this.#sorted = undefined;
    this.tell([remote]);
  }
}

/** Kubernetes' order of `/apis` among groups of equal standing is by name. */
function byPriority(a: RemoteApi, b: RemoteApi): number {
  const [groupA, versionA] = a.priorities;
  const [groupB, versionB] = b.priorities;
  return groupB - groupA || compare(a.group, b.group) || versionB - versionA || compare(a.version, b.version);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
