import type { Column, KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { StatusError } from '../../../protocol/status.ts';
import { partialMetadata } from './partial-metadata.ts';
import { withTypeMeta } from './type-meta.ts';

export interface TableOptions {
  /** `meta.k8s.io/v1` or `meta.k8s.io/v1beta1`. */
  apiVersion: string;
  /** The query parameter as it was sent; absent means `Metadata`. */
  includeObject: string | null;
  metadata: object;
  /** Milliseconds since 1970, for ages. */
  now: number;
  /** Absent in the later events of a watch. */
  headless?: boolean;
}

/** The rows that `kubectl get` prints. */
export function tableOf(
  kind: KindDefinition,
  objects: readonly KubernetesObject[],
  { apiVersion, includeObject, metadata, now, headless }: TableOptions,
) {
  return {
    kind: 'Table',
    apiVersion,
    metadata,
    columnDefinitions: headless ? [] : kind.columns.map(columnDefinition),
    rows: objects.map((object) => tableRow(kind, object, { includeObject, now, apiVersion })),
  };
}

export function columnDefinition({ name, type, format, description, priority }: Column<KubernetesObject>) {
  return { name, type, format: format ?? '', description, priority: priority ?? 0 };
}

export function tableRow(
  kind: KindDefinition,
  object: KubernetesObject,
  { includeObject, now, apiVersion }: Pick<TableOptions, 'includeObject' | 'now' | 'apiVersion'>,
) {
  const cells = kind.columns.map((column) => column.value(object, now));
  switch (includeObject ?? '') {
    case 'None':
      return { cells };
    case '':
    case 'Metadata':
      return { cells, object: partialMetadata(object, apiVersion) };
    case 'Object':
      return { cells, object: withTypeMeta(kind, object) };
    default:
      throw new StatusError(
        'BadRequest',
        `unrecognized includeObject value: ${JSON.stringify(includeObject)}`,
      );
  }
}
