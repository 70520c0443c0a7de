import { type Clock, systemClock } from '../../../../lib/clock.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import type { KindDefinition, KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';
import { fixedKinds } from '../../../../protocol/kinds/kind-set.ts';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { type AdmissionChain, createAdmission } from '../../../../server/admission/create-admission.ts';
import type { AdmissionDefinition, MayDo } from '../../../../server/admission/define-admission.ts';
import { QuotaLedger } from '../../../../server/admission/quota/quota-ledger.ts';
import { createCache } from '../../../../server/cache/create-cache.ts';
import type { Cache } from '../../../../server/cache/informer.ts';
import { createOutgoing } from '../../../../server/outgoing/outgoing.ts';
import { createRegistry } from '../../../../server/registry/create-registry.ts';
import type { Registry } from '../../../../server/registry/registry.ts';
import { createMemoryStore } from '../../../../server/store/memory-store.ts';
import { eventually } from '../../../support/eventually.ts';

export interface AdmissionFixture extends AsyncDisposable {
  registry: Registry;
  cache: Cache;
  admission: AdmissionChain;
  quotas: QuotaLedger;
  /** What clients were told beside the answers, in order. */
  warnings: string[];
  /** As somebody outside the server. */
  asClient: { user: { name: string; groups: string[] }; warn: (text: string) => void };
  /** Creates an object and waits until the cache has it. */
  createSeen<T extends KubernetesObject>(kind: KindDefinition<T>, object: T): Promise<T>;
}

export interface AdmissionFixtureOptions {
  plugins?: readonly AdmissionDefinition[];
  may?: MayDo;
  clock?: Clock;
}

/** A registry over a memory store with these plugins and the namespaces `default` and `other`. */
export async function openAdmission({
  plugins = [],
  may = async () => false,
  clock = systemClock,
}: AdmissionFixtureOptions = {}): Promise<AdmissionFixture> {
  const log = silentLogger;
  const store = createMemoryStore({ clock });
  const random = seededRandom(1);
  const admission = createAdmission();
  const registry = createRegistry({ store, clock, random, log, kinds, admission });
  const cache = createCache({ registry, clock, log });
  const quotas = new QuotaLedger({ registry, cache, kinds: fixedKinds(kinds), clock });
  const outgoing = createOutgoing({ cache, clock, random });
  const context = { registry, cache, kinds: fixedKinds(kinds), clock, random, log, may, quotas, outgoing };
  admission.install(plugins.map((plugin) => plugin.setup(context)));
  for (const name of ['default', 'other']) await registry.create(namespaceKind, { metadata: { name } });
  await cache.synced();
  const warnings: string[] = [];
  return {
    registry,
    cache,
    admission,
    quotas,
    warnings,
    asClient: { user: { name: 'dev', groups: [] }, warn: (text) => void warnings.push(text) },
    async createSeen(kind, object) {
      const created = await registry.create(kind, object);
      const informer = cache.informer(kind);
      const { namespace, name = '' } = created.metadata ?? {};
      await eventually(() => informer.get(namespace, name) !== undefined, `${name} in the cache`);
      return created;
    },
    async [Symbol.asyncDispose]() {
      outgoing[Symbol.dispose]();
      await cache[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

export function pod(name: string, spec: object = {}, metadata: object = {}) {
  return {
    metadata: { name, namespace: 'default', ...metadata },
    spec: { containers: [{ name: 'a', image: 'a' }], ...spec },
  };
}
