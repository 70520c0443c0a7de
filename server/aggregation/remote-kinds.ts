import { sameValue } from '../../protocol/kinds/cause.ts';
import type { KindDefinition, Verb } from '../../protocol/kinds/define-kind.ts';
import type { KindChange, KindSet } from '../../protocol/kinds/kind-set.ts';
import type { AggregatedApi, AggregatedApis, ListedResource } from './aggregated-apis.ts';

/**
 * What other servers keep that can be listed and deleted, each resource in the version that its server prefers. Of
 * its kinds this server knows no more than how to find the objects. A server that is away keeps what it last listed.
 */
export class RemoteKinds implements KindSet {
  readonly #apis: AggregatedApis;
  readonly #handlers = new Set<(change: KindChange) => void>();
  readonly #following: Disposable;
  #kinds = new Map<string, KindDefinition>();

  constructor(apis: AggregatedApis) {
    this.#apis = apis;
    this.#kinds = kindsOf(apis, this.#kinds);
    this.#following = apis.onChange(() => this.#update());
  }

  [Symbol.iterator](): Iterator<KindDefinition> {
    return this.#kinds.values();
  }

  has(kind: KindDefinition): boolean {
    return this.#kinds.get(placeOf(kind)) === kind;
  }

  onChange(handler: (change: KindChange) => void): Disposable {
    const own = (change: KindChange) => handler(change);
    this.#handlers.add(own);
    return { [Symbol.dispose]: () => void this.#handlers.delete(own) };
  }

  [Symbol.dispose](): void {
    this.#following[Symbol.dispose]();
  }

  #update(): void {
    const before = this.#kinds;
    this.#kinds = kindsOf(this.#apis, before);
    const added = [...this.#kinds.values()].filter((kind) => before.get(placeOf(kind)) !== kind);
    const removed = [...before.values()].filter((kind) => this.#kinds.get(placeOf(kind)) !== kind);
    if (added.length + removed.length === 0) return;
    for (const handler of this.#handlers) handler({ added, removed });
  }
}

function placeOf({ group, plural }: KindDefinition): string {
  return `${group}/${plural}`;
}

const needed = ['list', 'delete'];

/** A kind that is as it was is the same one. */
function kindsOf(
  apis: AggregatedApis,
  before: ReadonlyMap<string, KindDefinition>,
): Map<string, KindDefinition> {
  const found = new Map<string, KindDefinition>();
  for (const api of apis.list())
    for (const resource of api.resources) {
      const kind = kindOf(api, resource);
      const place = `${api.group}/${resource.name}`;
      if (!kind || found.has(place)) continue;
      const old = before.get(place);
      found.set(place, old && sameValue(named(old), named(kind)) ? old : kind);
    }
  return found;
}

function named({ group, version, kind, plural, namespaced, verbs }: KindDefinition) {
  return { group, version, kind, plural, namespaced, verbs };
}

function kindOf(
  { group, version }: AggregatedApi,
  { name, kind, namespaced, verbs }: ListedResource,
): KindDefinition | undefined {
  if (name.includes('/') || typeof kind !== 'string' || !Array.isArray(verbs)) return undefined;
  if (!needed.every((verb) => verbs.includes(verb))) return undefined;
  const definition: KindDefinition = {
    group,
    version,
    kind,
    plural: name,
    singular: '',
    shortNames: [],
    categories: [],
    namespaced: namespaced === true,
    schema: '',
    verbs: verbs.filter((verb): verb is Verb => typeof verb === 'string'),
    subresources: [],
    columns: [],
    selectableFields: {},
  };
  return definition;
}
