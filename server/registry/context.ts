import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { FieldSchemaOf } from '../../protocol/patch/field-schema.ts';
import type { Entry, Store } from '../store/store.ts';
import type { Admission } from './admission.ts';
import type { Allocator } from './allocation.ts';
import type { DecodeCache } from './codec.ts';
import type { DecodedEvents } from './decoded-events.ts';
import type { ItemEncoder } from './encoded-items.ts';
import { conflict, isStoreError, notFound } from './failures.ts';
import { keyOf } from './keys.ts';
import type { ObjectName } from './registry.ts';
import type { SharedConversions } from './shared-conversions.ts';

/** What the registry's operations share. */
export interface RegistryContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly decoded: DecodeCache;
  readonly events: DecodedEvents;
  readonly items: ItemEncoder;
  readonly converting: SharedConversions;
  /** Absent where nobody keeps metadata.managedFields. */
  readonly fieldSchemaOf: FieldSchemaOf | undefined;
  /** Absent where every write is taken as it is. */
  readonly admission: Admission | undefined;
  /** By `keyOfKind` of the kind that each allocates for. */
  readonly allocators: ReadonlyMap<string, Allocator>;
  readonly kindOf: (group: string, plural: string) => KindDefinition | undefined;
}

/** Every lost attempt means that another writer won one; beyond this many something else is wrong. */
const writeAttemptsMax = 64;

/** Runs a compare-and-swap `attempt` again for as long as another writer came first. */
export async function retryWrite<R>(
  kind: Pick<KindDefinition, 'group' | 'kind' | 'plural'>,
  name: string,
  attempt: () => Promise<R>,
): Promise<R> {
  for (let attempts = 0; attempts < writeAttemptsMax; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isStoreError(error, 'RevisionMismatch', 'KeyNotFound')) throw error;
    }
  }
  throw conflict(kind, name, `gave up after ${writeAttemptsMax} concurrent changes`);
}

export async function readEntry<T extends KubernetesObject>(
  { store }: RegistryContext,
  kind: KindDefinition<T>,
  at: ObjectName,
): Promise<Entry> {
  const entry = at.name === '' ? undefined : await store.get(keyOf(kind, at));
  if (!entry) throw notFound(kind, at.name);
  return entry;
}
