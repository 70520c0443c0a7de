import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
} from '../../protocol/kinds/define-kind.ts';
import { compareFields, type FieldChanges } from '../../protocol/patch/compare-fields.ts';
import type { FieldSchema } from '../../protocol/patch/field-schema.ts';
import { type FieldSet, noFields, union } from '../../protocol/patch/field-set.ts';
import { type ChangesElsewhere, type Owner, ownablePart } from '../../protocol/patch/owners.ts';
import { withoutFields } from '../../protocol/patch/walk-fields.ts';
import { StatusError } from '../../protocol/status.ts';

/**
 * Owners of fields by another version of a kind than the one that is written. Where somebody converts between the
 * versions, their fields are not those of this one: what a write does to them is seen by converting the object from
 * before and after it to their version (source: sigs.k8s.io/structured-merge-diff, merge).
 */

type Part = (object: object) => unknown;

/** The versions of owners whose fields have other names here; none where nobody converts. */
export function foreignVersions(kind: KindDefinition, owners: readonly Owner[]): string[] {
  if (!kind.custom?.conversion?.convert) return [];
  const own = apiVersionOf(kind);
  return [...new Set(owners.map(({ apiVersion }) => apiVersion))].filter((version) => version !== own);
}

/** What a write changes, as each of the versions sees it; undefined for one that is served no more. */
export async function changesElsewhere(
  kind: KindDefinition,
  { old, next }: { old: KubernetesObject; next: KubernetesObject },
  { versions, part = ownablePart }: { versions: readonly string[]; part?: Part },
): Promise<ChangesElsewhere> {
  const { convert, fieldsOf } = kind.custom?.conversion ?? {};
  const found = new Map<string, FieldChanges | undefined>();
  for (const version of versions) {
    const schema = fieldsOf?.(version);
    const [before, after] =
      schema && convert ? await convert([structuredClone(old), structuredClone(next)], version) : [];
    const isKnown = schema && before && after;
    found.set(version, isKnown ? compareFields(part(before), part(after), schema) : undefined);
  }
  return found;
}

/**
 * The fields of owners by other versions, as this version names them: those that an object without them lacks or has
 * otherwise. A converter that makes nothing of such an object leaves them as they are named.
 */
export async function renamedFields(
  kind: KindDefinition,
  { live, owners, schema }: { live: KubernetesObject; owners: readonly Owner[]; schema: FieldSchema },
): Promise<ReadonlyMap<Owner, FieldSet>> {
  const { convert, fieldsOf } = kind.custom?.conversion ?? {};
  const found = new Map<Owner, FieldSet>();
  for (const owner of owners) {
    const theirs = fieldsOf?.(owner.apiVersion);
    if (!convert || !theirs) {
      found.set(owner, noFields);
      continue;
    }
    try {
      const [seen] = await convert([structuredClone(live)], owner.apiVersion);
      const bare = withoutFields(seen, owner.fields, { schema: theirs }) as KubernetesObject;
      const [back] = await convert([structuredClone(bare)], apiVersionOf(kind));
      const { set, removed } = compareFields(ownablePart(live), ownablePart(back ?? live), schema);
      found.set(owner, union(set, removed));
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      found.set(owner, owner.fields);
    }
  }
  return found;
}
