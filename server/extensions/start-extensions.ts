import { createHash } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import { forEachLimited } from '../../lib/for-each-limited.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { WorkQueue } from '../../lib/work-queue.ts';
import type { CustomResourceDefinition } from '../../protocol/generated/models.ts';
import {
  cleanupFinalizer,
  customResourceDefinitionKind as definitionKind,
  isEstablished,
} from '../../protocol/kinds/custom-resource-definition.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { KindSet } from '../../protocol/kinds/kind-set.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Cache } from '../cache/informer.ts';
import type { Outgoing } from '../outgoing/outgoing.ts';
import type { Registry } from '../registry/registry.ts';
import { conversionOf } from './conversion-webhook.ts';
import { customKindsOf, storedKindOf } from './custom-kind.ts';
import { createCustomValidation } from './custom-validation.ts';
import { tellNames, tellTermination } from './definition-status.ts';
import { LiveKinds } from './live-kinds.ts';
import { findNameConflict } from './name-conflicts.ts';

export interface ExtensionsOptions {
  registry: Registry;
  cache: Cache;
  builtIn: readonly KindDefinition[];
  /** By which conversion webhooks are asked. */
  outgoing: Outgoing;
  random: Random;
  clock: Clock;
  log: Logger;
}

export interface Extensions extends AsyncDisposable {
  /** The built-in kinds and those that definitions give; a definition says Established when its kind is in here. */
  readonly kinds: KindSet;
}

const backoff = { baseMs: 50, capMs: 30_000 };
const workers = 4;
const pageSize = 500;
const deletesAtOnce = 16;
/** What has finalizers of its own is looked for again after this. */
const lookAgainMs = 500;

/**
 * Serves the kinds that CustomResourceDefinitions define. Resolves when every definition that was in force before is so
 * again; from then on it follows the definitions.
 */
export async function startExtensions(options: ExtensionsOptions): Promise<Extensions> {
  const { registry, cache, clock, log } = options;
  const definitions = new Definitions(options, (name) => queue.add(name));
  for (const definition of (await registry.list(definitionKind)).items)
    if (isEstablished(definition)) definitions.serve(definition);
  const queue = new WorkQueue({
    clock,
    workers,
    backoff,
    work: (name) => definitions.reconcile(name),
    onError: (name, error, failures) => {
      const level = isStatus(error, 'Conflict') ? 'debug' : 'warn';
      log[level]('custom resource definition not reconciled', { name, error, failures });
    },
  });
  const following = cache.informer(definitionKind).onChange(({ object }) => {
    queue.add(storedMeta(object).name);
  });
  return {
    kinds: definitions.kinds,
    async [Symbol.asyncDispose]() {
      following[Symbol.dispose]();
      await queue.stop();
    },
  };
}

/** One definition that is in force. */
interface Serving {
  /** Of the definition's spec and names; another one takes new kinds. */
  id: string;
  retire: AbortController;
  terminating: boolean;
}

class Definitions {
  readonly kinds: LiveKinds;
  /** Definitions whose names are taken. */
  readonly #refused = new Set<string>();
  readonly #enqueue: (name: string) => void;
  readonly #options: ExtensionsOptions;
  readonly #validation = createCustomValidation();
  readonly #serving = new Map<string, Serving>();

  constructor(options: ExtensionsOptions, enqueue: (name: string) => void) {
    this.#options = options;
    this.#enqueue = enqueue;
    this.kinds = new LiveKinds(options.builtIn);
  }

  /** Puts the kinds of a definition in force, under the names that were accepted. */
  serve(definition: CustomResourceDefinition): void {
    const { name, uid, deletionTimestamp } = storedMeta(definition);
    const names = definition.status?.acceptedNames;
    const accepted = names?.plural ? { ...definition, spec: { ...definition.spec, names } } : definition;
    const id = `${uid}/${createHash('sha256').update(JSON.stringify(accepted.spec)).digest('base64')}`;
    const before = this.#serving.get(name);
    if (before?.id === id) {
      before.terminating ||= deletionTimestamp !== undefined;
      return;
    }
    const serving: Serving = {
      id,
      retire: new AbortController(),
      terminating: deletionTimestamp !== undefined,
    };
    this.#serving.set(name, serving);
    this.kinds.put(
      name,
      customKindsOf(accepted, {
        validation: this.#validation,
        conversion: conversionOf(accepted, this.#options),
        id,
        retired: serving.retire.signal,
        isTerminating: () => serving.terminating,
      }),
    );
    before?.retire.abort();
    if (before) this.#askRefused();
  }

  /** Brings one definition to where it shall be. */
  async reconcile(name: string): Promise<{ requeueAfterMs: number } | undefined> {
    const definition = await this.#read(name);
    if (!definition) return this.#withdraw(name);
    if (definition.metadata?.deletionTimestamp !== undefined) return this.#clean(definition);
    const { registry, clock } = this.#options;
    const conflict = this.#conflictOf(definition);
    if (conflict) this.#refused.add(name);
    else this.#refused.delete(name);
    if (!conflict) tellNames(definition, conflict, clock.now());
    // Served before it is said: who waits for the condition finds the kind.
    if (isEstablished(definition)) this.serve(definition);
    await registry.mutate(
      definitionKind,
      { name },
      (draft) => {
        const isSame =
          draft.metadata?.uid === definition.metadata?.uid &&
          draft.metadata?.generation === definition.metadata?.generation;
        if (isSame) tellNames(draft, conflict, clock.now());
      },
      { subresource: 'status' },
    );
    return undefined;
  }

  async #read(name: string): Promise<CustomResourceDefinition | undefined> {
    try {
      return await this.#options.registry.get(definitionKind, { name });
    } catch (error) {
      if (isStatus(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #withdraw(name: string): undefined {
    this.#refused.delete(name);
    const serving = this.#serving.get(name);
    const [kind] = this.kinds.of(name);
    this.#serving.delete(name);
    this.kinds.put(name, []);
    if (kind) this.#options.cache.release(kind);
    this.#askRefused();
    serving?.retire.abort();
  }

  /** Names that another had may be free now. */
  #askRefused(): void {
    for (const name of this.#refused) this.#enqueue(name);
  }

  #conflictOf(definition: CustomResourceDefinition) {
    const own = new Set(this.kinds.of(storedMeta(definition).name));
    return findNameConflict(
      definition,
      [...this.kinds].filter((kind) => !own.has(kind)),
    );
  }

  /** Deletes the objects of a definition, then lets it go. */
  async #clean(definition: CustomResourceDefinition): Promise<{ requeueAfterMs: number } | undefined> {
    const { registry, clock } = this.#options;
    const { name, uid, finalizers = [] } = storedMeta(definition);
    if (!finalizers.includes(cleanupFinalizer)) return undefined;
    // One that was never in force has no objects; what is under its names belongs to another.
    if (isEstablished(definition)) {
      this.serve(definition);
      const left = await deleteObjects(registry, storedKindOf(definition));
      if (left > 0) {
        await registry.mutate(
          definitionKind,
          { name },
          (draft) => tellTermination(draft, left, clock.now()),
          {
            subresource: 'status',
          },
        );
        return { requeueAfterMs: lookAgainMs };
      }
    }
    await registry.mutate(definitionKind, { name }, (draft) => {
      if (draft.metadata?.uid !== uid) return;
      draft.metadata.finalizers = (draft.metadata.finalizers ?? []).filter((one) => one !== cleanupFinalizer);
    });
    return undefined;
  }
}

/** Asks for the deletion of every object; returns how many are still there. */
async function deleteObjects(registry: Registry, kind: KindDefinition): Promise<number> {
  let left = 0;
  let next: string | undefined;
  do {
    const page = await registry.list(kind, {
      limit: pageSize,
      ...(next === undefined ? {} : { continue: next }),
    });
    await forEachLimited(page.items, deletesAtOnce, async (object) => {
      if (!(await isGone(registry, kind, object))) left += 1;
    });
    next = page.continue;
  } while (next !== undefined);
  return left;
}

async function isGone(registry: Registry, kind: KindDefinition, object: KubernetesObject): Promise<boolean> {
  const { name, namespace, uid, deletionTimestamp } = storedMeta(object);
  if (deletionTimestamp !== undefined) return false;
  try {
    const at = { name, ...(namespace === undefined ? {} : { namespace }) };
    const deleted = await registry.delete(kind, at, { preconditions: { uid } });
    return deleted.metadata?.deletionTimestamp === undefined;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return true;
    throw error;
  }
}
