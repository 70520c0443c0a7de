import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import type { Entry } from '../store/store.ts';
import type { DecodeCache } from './codec.ts';
import { decodeEntries } from './stored-form.ts';

/** Has entries converted before they are decoded: once, however many watchers see the same change. */
export interface SharedConversions {
  /** Afterwards the decode cache has these entries of a kind that is converted; nothing happens for other kinds. */
  prepare(kind: KindDefinition, entries: readonly Entry[]): Promise<void>;
}

export function createSharedConversions(decoded: DecodeCache): SharedConversions {
  const underWay = new Map<string, { kind: KindDefinition; done: Promise<void> }>();

  async function convertOne(kind: KindDefinition, entry: Entry): Promise<void> {
    const [object] = await decodeEntries(kind, [entry]);
    if (object) decoded.put(kind, entry, object);
  }

  function convert(kind: KindDefinition, entry: Entry): Promise<void> {
    const id = `${entry.revision}${kind.version}${entry.key}`;
    const known = underWay.get(id);
    if (known?.kind === kind) return known.done;
    const done = convertOne(kind, entry).finally(() => underWay.delete(id));
    underWay.set(id, { kind, done });
    return done;
  }

  return {
    async prepare(kind, entries) {
      if (!kind.custom?.conversion?.convert) return;
      await Promise.all(
        entries.filter((entry) => !decoded.find(kind, entry)).map((entry) => convert(kind, entry)),
      );
    },
  };
}
