import type { ResourceQuota } from '../../../protocol/generated/models.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  subtractQuantities,
} from '../../../protocol/quantity.ts';
import type { ObjectName } from '../../registry/registry.ts';
import { scopesOf } from './scopes.ts';
import type { Evaluator, Usage } from './usage.ts';

const nothing: Quantity = { nano: 0n, format: 'decimal' };

/** A write that was let through and that the cache does not show yet. */
export interface Reservation {
  kind: KindDefinition;
  at: ObjectName;
  uid: string;
  delta: Usage;
  /** Of the object before; 0 for a new one. */
  afterRevision: number;
  /** Monotonic milliseconds. */
  sinceMs: number;
}

/**
 * What of one quota is used: the sum over the objects that the cache shows, and what was let through and is not shown
 * yet. Each object is worked out once for each change of it, so a write costs nothing that grows with their number.
 */
export class QuotaAccount {
  readonly quota: Readonly<ResourceQuota>;
  readonly hard: ReadonlyMap<string, Quantity>;
  readonly reservations = new Set<Reservation>();
  readonly #evaluators: ReadonlyMap<KindDefinition, Evaluator>;
  readonly #byUid = new Map<string, Usage>();
  readonly #used = new Map<string, Quantity>();
  readonly #reserved = new Map<string, Quantity>();

  /** `evaluators`: of the kinds that the quota limits anything of. */
  constructor(quota: Readonly<ResourceQuota>, evaluators: ReadonlyMap<KindDefinition, Evaluator>) {
    this.quota = quota;
    const hard = Object.entries(quota.spec?.hard ?? {});
    this.hard = new Map(hard.map(([name, text]) => [name, parseQuantity(text)]));
    this.#evaluators = evaluators;
  }

  get name(): string {
    return this.quota.metadata?.name ?? '';
  }

  get kinds(): Iterable<KindDefinition> {
    return this.#evaluators.keys();
  }

  evaluator(kind: KindDefinition): Evaluator | undefined {
    return this.#evaluators.get(kind);
  }

  /** What the object uses of this quota; undefined where the quota is not for it. */
  usageOf(kind: KindDefinition, object: Readonly<KubernetesObject>): Usage | undefined {
    const evaluator = this.#evaluators.get(kind);
    if (!evaluator) return undefined;
    const scopes = scopesOf(this.quota);
    if (scopes.some((scope) => !evaluator.isInScope?.(object, scope))) return undefined;
    return new Map([...evaluator.usage(object)].filter(([name]) => this.hard.has(name)));
  }

  /** Takes over how an object is now (undefined: gone). Says whether that changes what is used. */
  observe(uid: string, usage: Usage | undefined, revision: number): boolean {
    for (const reservation of this.reservations)
      if (reservation.uid === uid && (usage === undefined || revision > reservation.afterRevision))
        this.release(reservation);
    const before = this.#byUid.get(uid);
    if (usage === undefined || usage.size === 0) this.#byUid.delete(uid);
    else this.#byUid.set(uid, usage);
    let isChanged = false;
    for (const name of new Set([...(before?.keys() ?? []), ...(usage?.keys() ?? [])])) {
      const [was, is] = [before?.get(name) ?? nothing, usage?.get(name) ?? nothing];
      if (was.nano === is.nano) continue;
      isChanged = true;
      const rest = subtractQuantities(this.#used.get(name) ?? nothing, was);
      this.#used.set(name, addQuantities(rest, is));
    }
    return isChanged;
  }

  /** Names of which `delta` would be more than is left. */
  exceededBy(delta: Usage): string[] {
    return [...delta.keys()]
      .filter((name) => {
        const hard = this.hard.get(name);
        return (
          hard && compareQuantities(addQuantities(this.inUse(name), delta.get(name) ?? nothing), hard) > 0
        );
      })
      .sort();
  }

  /** With what is reserved. */
  inUse(name: string): Quantity {
    return addQuantities(this.#used.get(name) ?? nothing, this.#reserved.get(name) ?? nothing);
  }

  reserve(reservation: Reservation): void {
    this.reservations.add(reservation);
    for (const [name, amount] of reservation.delta)
      this.#reserved.set(name, addQuantities(this.#reserved.get(name) ?? nothing, amount));
  }

  release(reservation: Reservation): void {
    if (!this.reservations.delete(reservation)) return;
    for (const [name, amount] of reservation.delta)
      this.#reserved.set(name, subtractQuantities(this.#reserved.get(name) ?? nothing, amount));
  }

  /** What the cache shows as used, of everything the quota limits and somebody can use. */
  get used(): Record<string, string> {
    const names = [...this.hard.keys()].filter((name) =>
      [...this.#evaluators.values()].some((evaluator) => evaluator.covers(name)),
    );
    return Object.fromEntries(
      names.sort().map((name) => [name, formatQuantity(this.#used.get(name) ?? nothing)]),
    );
  }
}
