import type { Clock } from '../../../lib/clock.ts';
import type { ResourceQuota } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { type KindSet, resourcesOf, withoutViews } from '../../../protocol/kinds/kind-set.ts';
import { resourceQuotaKind } from '../../../protocol/kinds/resource-quota.ts';
import { objectKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { Cache, CacheChange } from '../../cache/informer.ts';
import type { AdmissionRequest, AdmissionSubject } from '../../registry/admission.ts';
import type { Registry } from '../../registry/registry.ts';
import { inNamespace } from '../in-namespace.ts';
import { QuotaAccount, type Reservation } from './account.ts';
import { evaluatorOf } from './evaluator.ts';
import type { Evaluator } from './usage.ts';

export interface QuotaLedgerOptions {
  registry: Registry;
  cache: Cache;
  kinds: KindSet;
  clock: Clock;
}

/** A write that the cache does not show after this long is looked up. */
const reservationMs = 30_000;

/**
 * The accounts of all quotas, kept up by what the cache tells of the kinds that quotas name. A check and its reservation
 * are one step without a wait, so that of two writes that race for the last of something one is refused. Namespaces
 * without quotas cost a look into a map (docs/decisions/0163-quotas-are-counted-in-memory.md).
 */
export class QuotaLedger {
  readonly #options: QuotaLedgerOptions;
  readonly #kinds: KindSet;
  readonly #accounts = new Map<string, Map<string, QuotaAccount>>();
  readonly #following = new Map<KindDefinition, Following>();
  readonly #handlers: ((key: string) => void)[] = [];
  #syncing: Promise<void> | undefined;

  constructor(options: QuotaLedgerOptions) {
    this.#options = options;
    this.#kinds = withoutViews(options.kinds);
    options.cache.informer(resourceQuotaKind).onChange((change) => this.#followQuota(change));
    this.#kinds.onChange(({ removed }) => this.#forgetKinds(removed));
  }

  /** Hears the key of each quota of which something else is used than before. */
  onChange(handler: (key: string) => void): void {
    this.#handlers.push(handler);
  }

  concerns({ kind, namespace, ...write }: AdmissionSubject): boolean {
    const accounts = namespace === undefined ? undefined : this.#accounts.get(namespace);
    if (!accounts) return false;
    for (const account of accounts.values()) if (account.evaluator(kind)?.charges(write)) return true;
    return false;
  }

  /** Undefined when everything that is counted has been seen. */
  get syncing(): Promise<void> | undefined {
    return this.#syncing;
  }

  /** Of a namespace, by name. */
  accounts(namespace: string): QuotaAccount[] {
    const accounts = [...(this.#accounts.get(namespace)?.values() ?? [])];
    return accounts.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  reservation(request: AdmissionRequest, delta: Reservation['delta']): Reservation {
    const { kind, object, namespace = '' } = request;
    return {
      kind,
      at: { namespace, name: object?.metadata?.name ?? '' },
      uid: request.object?.metadata?.uid ?? '',
      delta,
      afterRevision: Number(request.oldObject?.metadata?.resourceVersion ?? 0),
      sinceMs: this.#options.clock.monotonic(),
    };
  }

  /** Undefined while it is not known. */
  usedOf(quota: Readonly<ResourceQuota>): Record<string, string> | undefined {
    const { namespace = '', name, uid } = storedMeta(quota);
    const account = this.#accounts.get(namespace)?.get(name);
    return account?.quota.metadata?.uid === uid && !this.#syncing ? account?.used : undefined;
  }

  /**
   * Lets go of what was reserved for objects that came and went without the cache's notice, as happens when it must list
   * again.
   */
  async releaseStale(quota: Readonly<ResourceQuota>): Promise<void> {
    const { namespace = '', name } = storedMeta(quota);
    const account = this.#accounts.get(namespace)?.get(name);
    const now = this.#options.clock.monotonic();
    for (const reservation of account?.reservations ?? []) {
      if (now - reservation.sinceMs < reservationMs) continue;
      if (await this.#isThere(reservation)) reservation.sinceMs = now;
      else account?.release(reservation);
    }
  }

  async #isThere({ kind, at, uid }: Reservation): Promise<boolean> {
    try {
      return (await this.#options.registry.get(kind, at)).metadata?.uid === uid;
    } catch (error) {
      if (isStatus(error, 'NotFound')) return false;
      throw error;
    }
  }

  #followQuota({ type, object }: CacheChange<ResourceQuota>): void {
    const { namespace = '', name } = storedMeta(object);
    const accounts = this.#accounts.get(namespace);
    if (type === 'deleted') {
      accounts?.delete(name);
      if (accounts?.size === 0) this.#accounts.delete(namespace);
      return;
    }
    const known = accounts?.get(name);
    if (known?.quota.metadata?.uid === object.metadata?.uid && sameValue(known?.quota.spec, object.spec))
      return;
    this.#open(object, known);
  }

  #open(quota: Readonly<ResourceQuota>, before: QuotaAccount | undefined): void {
    const { namespace = '', name } = storedMeta(quota);
    const account = new QuotaAccount(quota, this.#evaluatorsFor(quota));
    let accounts = this.#accounts.get(namespace);
    if (!accounts) this.#accounts.set(namespace, (accounts = new Map()));
    accounts.set(name, account);
    for (const kind of account.kinds) {
      for (const object of this.#follow(kind).objectsIn(namespace)) observe(account, kind, object);
    }
    // What was let through under the old account counts under the new one, too, as far as that limits it.
    for (const { delta, ...reservation } of before?.reservations ?? []) {
      const kept = new Map([...delta].filter(([resource]) => account.hard.has(resource)));
      account.reserve({ ...reservation, delta: kept });
    }
    this.#tell(account);
  }

  #evaluatorsFor({ spec }: Readonly<ResourceQuota>): Map<KindDefinition, Evaluator> {
    const names = Object.keys(spec?.hard ?? {});
    const found = new Map<KindDefinition, Evaluator>();
    for (const kind of resourcesOf(this.#kinds)) {
      if (!kind.namespaced) continue;
      const evaluator = evaluatorOf(kind);
      if (names.some((name) => evaluator.covers(name))) found.set(kind, evaluator);
    }
    return found;
  }

  #follow(kind: KindDefinition): Following {
    const known = this.#following.get(kind);
    if (known) return known;
    const informer = this.#options.cache.informer(kind);
    const objectsIn = inNamespace(informer);
    const following: Following = { objectsIn, end: () => {} };
    this.#following.set(kind, following);
    const subscription = informer.onChange((change) => this.#observe(kind, change));
    following.end = () => subscription[Symbol.dispose]();
    this.#awaitSync();
    return following;
  }

  #awaitSync(): void {
    // A cache that is stopped will never be whole; whoever waits goes on, as nothing is written any more.
    const synced = this.#options.cache.synced().catch(() => {});
    const syncing = synced.then(() => {
      if (this.#syncing === syncing) this.#syncing = undefined;
      for (const account of this.#all()) this.#tell(account);
    });
    this.#syncing = syncing;
  }

  #observe(kind: KindDefinition, { type, object }: CacheChange<KubernetesObject>): void {
    const accounts = this.#accounts.get(object.metadata?.namespace ?? '');
    if (!accounts) return;
    for (const account of accounts.values()) {
      if (!account.evaluator(kind)) continue;
      const isChanged =
        type === 'deleted'
          ? account.observe(storedMeta(object).uid, undefined, 0)
          : observe(account, kind, object);
      if (isChanged) this.#tell(account);
    }
  }

  #forgetKinds(removed: readonly KindDefinition[]): void {
    for (const kind of removed) {
      this.#following.get(kind)?.end();
      this.#following.delete(kind);
    }
    for (const account of this.#all()) this.#open(account.quota, account);
  }

  *#all(): Iterable<QuotaAccount> {
    for (const accounts of this.#accounts.values()) yield* accounts.values();
  }

  #tell({ quota }: QuotaAccount): void {
    for (const handler of this.#handlers) handler(objectKey(quota));
  }
}

interface Following {
  objectsIn: (namespace: string) => readonly Readonly<KubernetesObject>[];
  end: () => void;
}

function observe(account: QuotaAccount, kind: KindDefinition, object: Readonly<KubernetesObject>): boolean {
  const { uid, resourceVersion } = storedMeta(object);
  return account.observe(uid, account.usageOf(kind, object) ?? new Map(), Number(resourceVersion));
}
