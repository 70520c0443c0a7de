import type { StatusCause } from '../status.ts';
import { forbidden, invalid, invalidFor, tooLong } from './cause.ts';
import type { KubernetesObject, ObjectMeta, OwnerReference } from './define-kind.ts';
import { labelValue, type NameRule, qualifiedName } from './name-rules.ts';

const annotationsBytesMax = 256 * 1024;
const standardFinalizers = ['kubernetes', 'orphan', 'foregroundDeletion'];

/**
 * The kind's rule for names, and what labels, annotations, owners and finalizers must look like. That there is a
 * name and a namespace, and what of the metadata may change, is the registry's business. `anyFinalizer` lets
 * finalizers be plain names, which the built-in kinds refuse.
 */
export function validateObjectMeta(
  { metadata = {} }: KubernetesObject,
  nameRule: NameRule,
  { anyFinalizer = false } = {},
): StatusCause[] {
  const { name, generateName, ownerReferences = [] } = metadata;
  const causes: StatusCause[] = [];
  // A prefix may end in the characters that a name may only hold inside.
  if (generateName) {
    causes.push(
      ...invalidFor('metadata.generateName', generateName, nameRule(generateName.replace(/[-.]+$/, ''))),
    );
  }
  if (name) causes.push(...invalidFor('metadata.name', name, nameRule(name)));
  causes.push(
    ...validateLabels(metadata.labels, 'metadata.labels'),
    ...validateAnnotations(metadata.annotations, 'metadata.annotations'),
    ...ownerReferences.flatMap((owner, index) => validateOwner(owner, `metadata.ownerReferences[${index}]`)),
    ...validateControllers(ownerReferences),
    ...validateFinalizers(metadata, anyFinalizer),
  );
  return causes;
}

export function validateLabels(labels: Record<string, string> | undefined, field: string): StatusCause[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...invalidFor(field, key, qualifiedName(key)),
    ...invalidFor(field, value, labelValue(value)),
  ]);
}

export function validateAnnotations(
  annotations: Record<string, string> | undefined,
  field: string,
): StatusCause[] {
  const entries = Object.entries(annotations ?? {});
  const causes = entries.flatMap(([key]) => invalidFor(field, key, qualifiedName(key.toLowerCase())));
  const bytes = entries.reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  if (bytes > annotationsBytesMax) causes.push(tooLong(field, annotationsBytesMax));
  return causes;
}

function validateOwner(owner: OwnerReference, field: string): StatusCause[] {
  const { apiVersion, kind } = owner;
  const causes = (['kind', 'name', 'uid'] as const)
    .filter((part) => !owner[part])
    .map((part) => invalid(`${field}.${part}`, '', 'must not be empty'));
  if (!apiVersion) causes.push(invalid(`${field}.apiVersion`, '', 'version must not be empty'));
  if (apiVersion === 'v1' && kind === 'Event') {
    causes.push(invalid(field, owner, '/v1, Kind=Event is disallowed from being an owner'));
  }
  return causes;
}

function validateControllers(owners: readonly OwnerReference[]): StatusCause[] {
  const [first, second] = owners.filter(({ controller }) => controller === true);
  if (!first || !second) return [];
  const detail = `Only one reference can have Controller set to true. Found "true" in references for ${first.kind} and ${second.kind}`;
  return [invalid('metadata.ownerReferences', owners, detail)];
}

function validateFinalizers({ finalizers = [] }: ObjectMeta, anyFinalizer: boolean): StatusCause[] {
  const causes = finalizers.flatMap((name, index) => {
    const field = `metadata.finalizers[${index}]`;
    return anyFinalizer ? invalidFor(field, name, qualifiedName(name)) : validateFinalizer(name, field);
  });
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    const detail = 'finalizer orphan and foregroundDeletion cannot be both set';
    causes.push(invalid('metadata.finalizers', finalizers, detail));
  }
  return causes;
}

export function validateFinalizer(name: string, field: string): StatusCause[] {
  const faults = qualifiedName(name);
  if (faults.length > 0) return invalidFor(field, name, faults);
  if (name.includes('/') || standardFinalizers.includes(name)) return [];
  return [invalid(field, name, 'name is neither a standard finalizer name nor is it fully qualified')];
}

/** Fields that a kind's `immutable` mark freezes; the mark itself cannot be taken back. */
export function validateFrozen<T extends { immutable?: boolean }>(
  next: T,
  old: T,
  changed: readonly string[],
): StatusCause[] {
  if (old.immutable !== true) return [];
  const detail = 'field is immutable when `immutable` is set';
  const unset = next.immutable === true ? [] : ['immutable'];
  return [...unset, ...changed].map((field) => forbidden(field, detail));
}
