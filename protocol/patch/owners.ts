import type { FieldChanges } from './compare-fields.ts';
import {
  difference,
  type FieldSet,
  intersection,
  isEmpty,
  noFields,
  sameFields,
  self,
  union,
} from './field-set.ts';
import { isObject, type JsonObject } from './json-value.ts';
import { readElement } from './path-element.ts';

/** Somebody who set fields, and which: an entry of metadata.managedFields. */
export interface Owner extends Writer {
  readonly operation: 'Apply' | 'Update';
  /** RFC 3339, when the entry last changed. */
  readonly time: string | undefined;
  readonly fields: FieldSet;
}

export interface Writer {
  readonly manager: string;
  readonly apiVersion: string;
  /** '' for the object itself. */
  readonly subresource: string;
}

/** Of owners by plain writes more than this, the oldest become one (source: k8s.io/apimachinery, managedfields). */
const updatersMax = 10;
const oldestUpdaters = 'ancient-changes';
const depthMax = 64;

/** Reads metadata.managedFields; undefined when it is nothing that could be understood. */
export function readOwners(managedFields: unknown): Owner[] | undefined {
  if (!Array.isArray(managedFields)) return undefined;
  const owners: Owner[] = [];
  for (const entry of managedFields as unknown[]) {
    const owner = readOwner(entry);
    if (!owner) return undefined;
    owners.push(owner);
  }
  return owners;
}

/** Reads what this module wrote; nothing in it is checked again. */
export function storedOwners(managedFields: readonly unknown[] | undefined): Owner[] {
  return ((managedFields ?? []) as (Owner & { fieldsV1?: FieldSet })[]).map((entry) => ({
    manager: entry.manager,
    operation: entry.operation,
    apiVersion: entry.apiVersion,
    subresource: entry.subresource ?? '',
    time: entry.time,
    fields: entry.fieldsV1 ?? noFields,
  }));
}

function readOwner(entry: unknown): Owner | undefined {
  if (!isObject(entry)) return undefined;
  const { manager = '', operation, apiVersion, time, fieldsType, fieldsV1, subresource = '' } = entry;
  if (operation !== 'Apply' && operation !== 'Update') return undefined;
  if (typeof manager !== 'string' || typeof apiVersion !== 'string' || typeof subresource !== 'string')
    return undefined;
  if (fieldsType !== 'FieldsV1') return undefined;
  const fields = readFields(fieldsV1 ?? {}, 0);
  if (!fields) return undefined;
  return {
    manager,
    operation,
    apiVersion,
    subresource,
    time: typeof time === 'string' ? time : undefined,
    fields,
  };
}

/** A set as a client sent it, every element in its one spelling. */
function readFields(value: unknown, depth: number): FieldSet | undefined {
  if (!isObject(value) || depth > depthMax) return undefined;
  const fields: Record<string, FieldSet> = {};
  for (const [text, inner] of Object.entries(value)) {
    const element = text === self ? self : readElement(text);
    const child = readFields(inner, depth + 1);
    if (element === undefined || !child) return undefined;
    fields[element] = child;
  }
  return fields;
}

/** The entries in Kubernetes' order: appliers first, then by time; undefined when there are none. */
export function writeOwners(owners: readonly Owner[]): unknown[] | undefined {
  if (owners.length === 0) return undefined;
  return [...owners]
    .sort(compareOwners)
    .map(({ manager, operation, apiVersion, time, fields, subresource }) => ({
      manager,
      operation,
      apiVersion,
      ...(time === undefined ? {} : { time }),
      fieldsType: 'FieldsV1',
      fieldsV1: fields,
      ...(subresource === '' ? {} : { subresource }),
    }));
}

function compareOwners(a: Owner, b: Owner): number {
  const keys = (owner: Owner) => [
    owner.operation,
    owner.time ?? '',
    owner.manager,
    owner.apiVersion,
    owner.subresource,
  ];
  const other = keys(b);
  for (const [index, key] of keys(a).entries()) {
    const beside = other[index] ?? '';
    if (key !== beside) return key < beside ? -1 : 1;
  }
  return 0;
}

/** An applier is the same one whatever version of the API it applies. */
export function isOwner(owner: Owner, operation: Owner['operation'], writer: Writer): boolean {
  return (
    owner.operation === operation &&
    owner.manager === writer.manager &&
    owner.subresource === writer.subresource &&
    (operation === 'Apply' || owner.apiVersion === writer.apiVersion)
  );
}

/** What a write changes, by other versions of the API that name fields otherwise; undefined for one that is gone. */
export type ChangesElsewhere = ReadonlyMap<string, FieldChanges | undefined>;

/** What others keep after a write that was theirs to lose: nothing of what changed, nothing of what is gone. */
export function yieldChanges(
  owners: readonly Owner[],
  changes: FieldChanges,
  elsewhere?: ChangesElsewhere,
): Owner[] {
  if (isEmpty(changes.set) && isEmpty(changes.removed)) return [...owners];
  return owners
    .map((owner) => ({ ...owner, fields: keptBy(owner, changesFor(owner, changes, elsewhere)) }))
    .filter(({ fields }) => !isEmpty(fields));
}

function changesFor(
  { apiVersion }: Owner,
  changes: FieldChanges,
  elsewhere: ChangesElsewhere | undefined,
): FieldChanges | undefined {
  return elsewhere?.has(apiVersion) ? elsewhere.get(apiVersion) : changes;
}

function keptBy({ fields }: Owner, changes: FieldChanges | undefined): FieldSet {
  return changes ? difference(difference(fields, changes.set), changes.removed) : noFields;
}

export interface Conflict {
  readonly owner: Owner;
  readonly fields: FieldSet;
}

/** Whose fields a change would take; of `elsewhere` all, of this version what was not allowed. */
export function conflictsWith(
  owners: readonly Owner[],
  changed: FieldSet,
  elsewhere?: ChangesElsewhere,
): Conflict[] {
  return owners
    .map((owner) => {
      const changes = changesFor(owner, { set: changed, removed: noFields }, elsewhere);
      return { owner, fields: intersection(owner.fields, changes?.set ?? noFields) };
    })
    .filter(({ fields }) => !isEmpty(fields));
}

/**
 * The owners after a plain write by `writer`, which owns what it changed. Whoever only wrote what was there already
 * owns nothing by it.
 */
export function ownersAfterUpdate(
  owners: readonly Owner[],
  changes: FieldChanges,
  { writer, time, elsewhere }: { writer: Writer; time: string; elsewhere?: ChangesElsewhere | undefined },
): readonly Owner[] {
  if (isEmpty(changes.set) && isEmpty(changes.removed)) return owners;
  const left = yieldChanges(owners, changes, elsewhere);
  if (isEmpty(changes.set)) return left;
  const before = left.find((owner) => isOwner(owner, 'Update', writer));
  const fields = union(before?.fields ?? noFields, changes.set);
  const others = left.filter((owner) => owner !== before);
  return capUpdaters([...others, { ...writer, operation: 'Update', time, fields }]);
}

function capUpdaters(owners: readonly Owner[]): readonly Owner[] {
  const updaters = owners.filter(({ operation }) => operation === 'Update').sort(compareOwners);
  if (updaters.length <= updatersMax) return owners;
  const oldest = updaters.slice(0, updaters.length - updatersMax + 1);
  const merged = new Map<string, Owner>();
  for (const { apiVersion, fields, time } of oldest) {
    const known = merged.get(apiVersion);
    merged.set(apiVersion, {
      manager: oldestUpdaters,
      operation: 'Update',
      apiVersion,
      subresource: '',
      time,
      fields: known ? union(known.fields, fields) : fields,
    });
  }
  return [...owners.filter((owner) => !oldest.includes(owner)), ...merged.values()];
}

/** Entries that say the same, whenever they were written. */
export function sameOwners(a: readonly Owner[], b: readonly Owner[]): boolean {
  return (
    a.length === b.length &&
    a.every((owner) =>
      b.some(
        (other) =>
          isOwner(other, owner.operation, owner) &&
          other.apiVersion === owner.apiVersion &&
          sameFields(owner.fields, other.fields),
      ),
    )
  );
}

/** What nobody owns: what names the object, and what is the server's alone. */
const identity = ['apiVersion', 'kind'];
const metadataOfServer = [
  'name',
  'namespace',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
  'uid',
  'clusterName',
  'generation',
  'managedFields',
  'resourceVersion',
];

/** The part of an object that can be owned, as a shallow copy. */
export function ownablePart(object: object): JsonObject {
  const part: JsonObject = { ...object };
  for (const name of identity) delete part[name];
  if (!isObject(part['metadata'])) return part;
  const metadata = { ...part['metadata'] };
  for (const name of metadataOfServer) delete metadata[name];
  part['metadata'] = metadata;
  return part;
}
