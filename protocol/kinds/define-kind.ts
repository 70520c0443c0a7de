import type { FieldSchema } from '../patch/field-schema.ts';
import type { SchemaSet } from '../schema/schema.ts';
import type { StatusCause } from '../status.ts';

/**
 * A kind is one file with one `defineKind` and one line in `kinds/registry.ts`; routes, discovery, OpenAPI, tables
 * and the conformance tests are loops over that registry. Everything here is a pure function of its arguments.
 */
export interface KindDefinition<T extends KubernetesObject = KubernetesObject> {
  /** '' for the core group. */
  group: string;
  version: string;
  kind: string;
  plural: string;
  singular: string;
  shortNames: readonly string[];
  categories: readonly string[];
  namespaced: boolean;
  /** Name of the object's schema in protocol/generated, e.g. `io.k8s.api.core.v1.Pod`. */
  schema: string;
  verbs: readonly Verb[];
  /** Subresources beside the object itself: `status`, `scale`, `log`, `exec`, `binding`, … */
  subresources: readonly string[];
  columns: readonly Column<T>[];
  /** Fields usable in a field selector, beyond metadata.name and metadata.namespace. */
  selectableFields: Readonly<Record<string, Reader<T, string>>>;

  /** Fills defaults into a decoded object, in place. Must be idempotent. */
  applyDefaults?(object: T): void;
  /** Clears or sets what a client may not choose at creation (e.g. status), in place. */
  prepareCreate?(object: T, context: PrepareContext): void;
  /** Carries over what an update may not change silently, in place. */
  prepareUpdate?(next: T, old: T, context: PrepareContext): void;
  /** `old` is there when an object is replaced. */
  validate?(object: T, old?: T): StatusCause[];
  /** Immutable fields and legal transitions; they may differ by the subresource that is written. */
  validateUpdate?(next: T, old: T, subresource?: string): StatusCause[];
  /** How a delete without options behaves; `immediate` unless said otherwise. */
  deletion?: DeletionStrategy<T>;
  /** What of the object counts towards metadata.generation; `spec` unless said otherwise, false where it has none. */
  generationOf?: Reader<T, unknown> | false;
  /** Reads and writes the scale subresource. */
  scale?: ScaleAccess<T>;
  /** Where the objects are those of another kind, seen through another version or group. */
  view?: KindView<T>;
  /** What only a kind has that was defined at run time; the generated schemas describe the others. */
  custom?: CustomParts;
}

/**
 * An object has one stored form, that of `of`. A view reads it as its own and gives what was written back as that.
 * Both ways must keep all that the other can say: what a view reads and writes unchanged is unchanged. The results
 * may share parts with the arguments. Defaults of the view come before `toStored`; rules, immutability and deletion
 * are those of the stored kind; `validate` holds what is asked beyond them of an object that is created through the
 * view.
 */
export interface KindView<T> {
  of: KindDefinition;
  fromStored: Reader<KubernetesObject, T>;
  toStored: Reader<T, KubernetesObject>;
}

export interface CustomParts {
  /** Removes, in place, the fields that the kind does not know, and returns their paths. */
  prune: (object: unknown) => string[];
  /** The kind's own schemas and its list's, by name, for OpenAPI. */
  readonly schemas: SchemaSet;
  /** Which of its fields are owned one by one. */
  readonly fields: FieldSchema;
  /** Aborts when this definition of the kind is no longer the one in force. */
  readonly retired: AbortSignal;
  /** Unlike that of any other definition of a kind. */
  readonly id: string;
  readonly conversion?: VersionConversion;
}

export type ConvertObjects = (
  objects: readonly KubernetesObject[],
  apiVersion: string,
) => Promise<KubernetesObject[]>;

/** How the objects of a kind with several versions are stored. */
export interface VersionConversion {
  readonly storedApiVersion: string;
  /**
   * Brings objects, each in the version that it names, to another, in their order; what it is given may be changed.
   * Throws a StatusError. Absent: the versions differ in name only.
   */
  convert?: ConvertObjects | undefined;
  /** Which fields of a version are owned one by one; undefined for one that there is not. */
  fieldsOf?: ((apiVersion: string) => FieldSchema | undefined) | undefined;
}

/** A method's type, which lets the definition of one kind stand where any kind's is wanted. */
type Reader<T, R> = { read(object: T): R }['read'];

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

export const allVerbs: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

export interface Column<T> {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  format?: string;
  description: string;
  /** 0 is always shown, 1 only with `-o wide`. */
  priority?: number;
  /** `now` in milliseconds since 1970, for ages. */
  value(object: T, now: number): string | number | boolean | null;
}

export interface PrepareContext {
  subresource: string;
  /** Milliseconds since 1970. */
  now: number;
  /** Absent where the server itself writes. */
  user?: Requester;
}

/** Who asks for a write. */
export interface Requester {
  name: string;
  uid?: string;
  groups: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

export interface DeletionStrategy<T> {
  /** Seconds the object stays with a deletionTimestamp; 0 removes it at once. */
  gracePeriodSeconds(object: T, requestedSeconds: number | undefined): number;
}

export interface ScaleAccess<T> {
  replicas(object: T): number;
  statusReplicas(object: T): number;
  /** Label selector in its string form. */
  selector(object: T): string;
  setReplicas(object: T, replicas: number): void;
}

/** What every stored object has. Kinds' own types (protocol/generated) extend it structurally. */
export interface KubernetesObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

export interface ObjectMeta {
  name?: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: unknown[];
  selfLink?: string;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Returns the definition as it is; exists so that a kind's file is checked and its type inferred in one place. */
export function defineKind<T extends KubernetesObject>(definition: KindDefinition<T>): KindDefinition<T> {
  return definition;
}

/** `v1` or `apps/v1`. */
export function apiVersionOf(kind: Pick<KindDefinition, 'group' | 'version'>): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}
