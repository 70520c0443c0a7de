/** The OpenAPI 3 subset that Kubernetes' own documents use. Written by generate-models.ts, read by the server. */
export interface Schema {
  description?: string;
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  format?: string;
  /** What absence means. Said only where server-side apply must know it: for the keys of lists. */
  default?: unknown;
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema;
  /** `#/components/schemas/<name>`. Stands alone; with further keywords beside it, it moves into `allOf`. */
  $ref?: string;
  allOf?: [Schema];
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-map-type'?: 'atomic' | 'granular';
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-patch-strategy'?: string;
  'x-kubernetes-patch-merge-key'?: string;
  'x-kubernetes-group-version-kind'?: GroupVersionKind[];
}

export interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

/** Schemas by Kubernetes name, e.g. `io.k8s.api.core.v1.Pod`. */
export type SchemaSet = Readonly<Record<string, Schema>>;

const refPrefix = '#/components/schemas/';

export function refTo(name: string): string {
  return refPrefix + name;
}

/** Name of the schema that `schema` refers to, directly or through `allOf`. */
export function refOf(schema: Schema): string | undefined {
  const ref = schema.$ref ?? schema.allOf?.[0].$ref;
  return ref?.startsWith(refPrefix) ? ref.slice(refPrefix.length) : undefined;
}
