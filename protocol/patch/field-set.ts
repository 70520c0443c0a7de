/**
 * Which fields of an object somebody owns, in the very form in which managedFields hold it (FieldsV1): a tree of
 * path elements, so that stored sets are used as they are read. A node without children is an owned field; `.` in a
 * node says that the field is owned beside those under it. The root is no field: there `{}` is the empty set. Sets
 * are never changed, and share their branches.
 *
 * Source: sigs.k8s.io/structured-merge-diff, fieldpath.
 */
export interface FieldSet {
  readonly [element: string]: FieldSet;
}

/** The mark of a node that is owned itself. */
export const self = '.';
const owned: FieldSet = Object.freeze({});

export const noFields: FieldSet = owned;

export function isEmpty(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

/** A node of a set; undefined when nothing in it is owned. */
export function node(isOwned: boolean, children: FieldSet): FieldSet | undefined {
  if (isEmpty(children)) return isOwned ? owned : undefined;
  return isOwned ? { [self]: owned, ...children } : children;
}

/** Whether the field that `of` stands for is owned, not only something under it. */
export function isOwned(of: FieldSet | undefined): boolean {
  return of !== undefined && (isEmpty(of) || Object.hasOwn(of, self));
}

export function childOf(set: FieldSet | undefined, element: string): FieldSet | undefined {
  return set && Object.hasOwn(set, element) ? set[element] : undefined;
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(b)) return a;
  return combine(a, b, (inA, inB) => inA || inB);
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, (inA, inB) => inA && inB);
}

/** What is in `a` and, as exactly the same field, not in `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(b)) return a;
  return combine(a, b, (inA, inB) => inA && !inB);
}

type Keep = (inA: boolean, inB: boolean) => boolean;

function combine(a: FieldSet | undefined, b: FieldSet | undefined, keep: Keep): FieldSet {
  const kept: Record<string, FieldSet> = {};
  for (const element in a) {
    if (element !== self) put(kept, element, combineNodes(a[element], childOf(b, element), keep));
  }
  for (const element in b) {
    if (element !== self && childOf(a, element) === undefined)
      put(kept, element, combineNodes(undefined, b[element], keep));
  }
  return kept;
}

function combineNodes(a: FieldSet | undefined, b: FieldSet | undefined, keep: Keep): FieldSet | undefined {
  return node(keep(isOwned(a), isOwned(b)), combine(a, b, keep));
}

function put(children: Record<string, FieldSet>, element: string, child: FieldSet | undefined): void {
  if (child) children[element] = child;
}

/** The set without a field and all that is under it; `path` from the root down. */
export function without(set: FieldSet, path: readonly string[]): FieldSet {
  const [element = '', ...rest] = path;
  const child = childOf(set, element);
  if (!child) return set;
  const { [element]: _, ...others } = set;
  if (rest.length === 0) return others;
  const left = without(child, rest);
  return left === child ? set : isEmpty(left) ? others : { ...others, [element]: left };
}

/** Every owned field as its path: at each level first the fields themselves, then what is under them, by name. */
export function pathsOf(set: FieldSet): string[][] {
  const elements = Object.keys(set)
    .filter((element) => element !== self)
    .sort();
  const members = elements.filter((element) => isOwned(set[element])).map((element) => [element]);
  const deeper = elements.flatMap((element) => {
    const child = set[element];
    return child ? pathsOf(child).map((path) => [element, ...path]) : [];
  });
  return [...members, ...deeper];
}

export function sameFields(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true;
  const elements = Object.keys(a);
  return (
    elements.length === Object.keys(b).length &&
    elements.every((element) => {
      const [inA, inB] = [childOf(a, element), childOf(b, element)];
      return inA !== undefined && inB !== undefined && sameFields(inA, inB);
    })
  );
}
