import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import type { FieldSchemaOf } from '../../protocol/patch/field-schema.ts';
import type { Store } from '../store/store.ts';
import type { Admission } from './admission.ts';
import { type Allocator, keyOfKind } from './allocation.ts';
import { DecodeCache } from './codec.ts';
import { type RegistryContext, readEntry } from './context.ts';
import { createObject } from './create-object.ts';
import { DecodedEvents } from './decoded-events.ts';
import { deleteObject } from './delete-object.ts';
import { ItemEncoder } from './encoded-items.ts';
import { asStatusError } from './failures.ts';
import { listEncoded, listObjects } from './list-objects.ts';
import { bindPod, unbindPod } from './pods.ts';
import type { Registry } from './registry.ts';
import { mutateObject, updateObject } from './replace-object.ts';
import { createSharedConversions } from './shared-conversions.ts';
import { decodeEntry } from './stored-form.ts';
import { throughViews } from './views.ts';
import { watchObjects } from './watch-objects.ts';

export interface RegistryOptions {
  store: Store;
  clock: Clock;
  random: Random;
  log: Logger;
  /** Namespaces and pods are found among these, for what the registry knows of them. */
  kinds: readonly KindDefinition[];
  /** Keeps metadata.managedFields by these rules; without them nobody does. */
  fieldSchemaOf?: FieldSchemaOf;
  /** Asked before every write; without it nobody is. */
  admission?: Admission;
  /** Give out what only one object may hold; at most one for each kind. */
  allocators?: readonly Allocator[];
}

/** The registry over a store. Every failure it throws is a `StatusError`, unless it is a programmer's. */
export function createRegistry(options: RegistryOptions): Registry {
  const { store, clock, random, log, kinds, fieldSchemaOf, admission, allocators = [] } = options;
  const byPlace = new Map(kinds.map((kind) => [`${kind.group}/${kind.plural}`, kind]));
  const decoded = new DecodeCache();
  const context: RegistryContext = {
    store,
    clock,
    random,
    log,
    decoded,
    events: new DecodedEvents(decoded),
    items: new ItemEncoder(),
    converting: createSharedConversions(decoded),
    fieldSchemaOf,
    admission,
    allocators: new Map(allocators.map((allocator) => [keyOfKind(allocator.kind), allocator])),
    kindOf: (group, plural) => byPlace.get(`${group}/${plural}`),
  };
  return throughViews({
    get: (kind, at) => explained(async () => decodeEntry(kind, await readEntry(context, kind, at))),
    list: (kind, request) => explained(() => listObjects(context, kind, request)),
    listEncoded: (kind, request, shape) => explained(() => listEncoded(context, kind, request, shape)),
    watch: (kind, request) => watchObjects(context, kind, request),
    create: (kind, object, options) => explained(() => createObject(context, kind, object, options)),
    update: (kind, object, options) => explained(() => updateObject(context, kind, object, options)),
    mutate: (kind, at, change, options) =>
      explained(() => mutateObject(context, kind, { at, change, ...(options ? { options } : {}) })),
    delete: (kind, at, request) => explained(() => deleteObject(context, kind, at, request)),
    bind: (at, podUid, node, options) => explained(() => bindPod(context, at, { podUid, node, options })),
    unbind: (at, veto) => explained(() => unbindPod(context, at, veto)),
    get resourceVersion() {
      return String(store.revision);
    },
    epoch: store.epoch,
  });
}

async function explained<R>(operation: () => Promise<R>): Promise<R> {
  try {
    return await operation();
  } catch (error) {
    throw asStatusError(error);
  }
}
