import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { Entry } from '../store/store.ts';
import { decode } from './codec.ts';
import type { RegistryContext } from './context.ts';
import type { EncodedItem } from './encoded-items.ts';
import { badRequest, expired, isStoreError, tooLargeVersion } from './failures.ts';
import { type ListPosition, parseContinue, parseVersion, writeContinue } from './list-position.ts';
import type { ListAnswer, ListRequest } from './registry.ts';
import { type CompiledSelection, compileSelection } from './selection.ts';
import { decodeEntries } from './stored-form.ts';

/** Entries read from the store in one go: bounds what is held undecoded, and how long others wait. */
const pageEntriesMax = 500;

/** A list without `limit` starts again this often when its revision was compacted while it was read. */
const listAttemptsMax = 3;

export function listObjects<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  request: ListRequest = {},
): Promise<ListAnswer<T>> {
  return listAs(context, kind, request, (entry, object) => object ?? decode(kind, entry));
}

export function listEncoded<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  request: ListRequest = {},
  shape?: (object: T) => unknown,
): Promise<ListAnswer<EncodedItem>> {
  // Each object is done with before the next is decoded: thousands of them at a time would be work for the garbage collector.
  return listAs(context, kind, request, (entry, object) =>
    shape
      ? { head: JSON.stringify(shape(object ?? decode(kind, entry))) }
      : context.items.encode(kind, entry, object),
  );
}

/** Makes an item of an entry; `object` is the entry decoded, where that was needed before. */
type ItemOf<T, Item> = (entry: Entry, object: T | undefined) => Item;

async function listAs<T extends KubernetesObject, Item>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  request: ListRequest,
  itemOf: ItemOf<T, Item>,
): Promise<ListAnswer<Item>> {
  const selection = compileSelection(kind, request);
  const position = positionOf(context, request, selection.prefix);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await readList(context, kind, { selection, position, limit: request.limit ?? 0 }, itemOf);
    } catch (error) {
      if (!isStoreError(error, 'Compacted')) throw error;
      if (position.revision !== undefined || attempt === listAttemptsMax) throw tooOld(request, error);
    }
  }
}

/** Every entry under the selection's prefix at one revision, page by page. */
export async function* pages(
  { store }: Pick<RegistryContext, 'store'>,
  { prefix, exactKey }: Pick<CompiledSelection<unknown>, 'prefix' | 'exactKey'>,
  position: ListPosition,
): AsyncGenerator<{ entries: readonly Entry[]; revision: number; more: boolean }> {
  let { start, revision } = position;
  for (;;) {
    const page = await store.list(prefix, {
      limit: exactKey === undefined ? Math.min(position.limit ?? pageEntriesMax, pageEntriesMax) : 1,
      ...(start === undefined ? {} : { start }),
      ...(revision === undefined ? {} : { revision }),
    });
    revision = page.revision;
    if (exactKey !== undefined) {
      yield { entries: page.entries.filter(({ key }) => key === exactKey), revision, more: false };
      return;
    }
    yield page;
    const last = page.entries.at(-1);
    if (!page.more || !last) return;
    start = `${last.key}\0`;
  }
}

interface Reading<T> {
  readonly selection: CompiledSelection<T>;
  readonly position: ListPosition;
  /** 0: all of it. */
  readonly limit: number;
}

async function readList<T extends KubernetesObject, Item>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  { selection, position, limit }: Reading<T>,
  itemOf: ItemOf<T, Item>,
): Promise<ListAnswer<Item>> {
  const items: Item[] = [];
  let revision = position.revision ?? 0;
  const pageLimit = limit > 0 && !selection.matches ? { limit } : {};
  for await (const page of pages(context, selection, { ...position, ...pageLimit })) {
    ({ revision } = page);
    const converted = kind.custom?.conversion?.convert ? await decodeEntries(kind, page.entries) : [];
    for (const [index, entry] of page.entries.entries()) {
      let object = converted[index];
      if (selection.matches && !selection.matches((object ??= decode(kind, entry)))) continue;
      items.push(itemOf(entry, object));
      if (items.length !== limit) continue;
      if (index === page.entries.length - 1 && !page.more) break;
      return partial(entry.key);
    }
  }
  return { items, resourceVersion: String(revision) };

  async function partial(lastKey: string): Promise<ListAnswer<Item>> {
    const start = `${lastKey}\0`;
    const answer = { items, resourceVersion: String(revision) };
    if (selection.matches) return { ...answer, continue: writeContinue({ revision, start }) };
    // Counted once, then carried along: an estimate, as Kubernetes calls it, that costs no count per page.
    const before = position.remaining ?? (await context.store.count(selection.prefix));
    const remaining = Math.max(before - items.length, 1);
    return {
      ...answer,
      continue: writeContinue({ revision, start, remaining }),
      remainingItemCount: remaining,
    };
  }
}

/** Where a list starts and at which revision (source: Kubernetes API concepts, "Resource versions"). */
function positionOf({ store }: RegistryContext, request: ListRequest, prefix: string): ListPosition {
  const { resourceVersion = '', resourceVersionMatch: match, limit = 0 } = request;
  if (request.continue) {
    if (match) throw badRequest('resourceVersionMatch is forbidden when continue is provided');
    if (resourceVersion !== '' && resourceVersion !== '0') {
      throw badRequest('specifying resource version is not allowed when using continue');
    }
    return parseContinue(request.continue, prefix);
  }
  if (match && resourceVersion === '') {
    throw badRequest('resourceVersionMatch is forbidden unless resourceVersion is provided');
  }
  if (match && match !== 'Exact' && match !== 'NotOlderThan') {
    throw badRequest(`resourceVersionMatch: Unsupported value: ${JSON.stringify(match)}`);
  }
  const version = parseVersion(resourceVersion);
  if (match === 'Exact' && version === 0) {
    throw badRequest('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
  }
  if (version > store.revision) throw tooLargeVersion(version, store.revision);
  const exact = match === 'Exact' || (match === undefined && limit > 0 && version > 0);
  return exact ? { revision: version } : {};
}

function tooOld(request: ListRequest, cause: unknown): Error {
  return expired(
    request.continue
      ? 'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.'
      : 'The resourceVersion for the provided list is too old.',
    cause,
  );
}
