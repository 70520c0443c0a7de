import type { PodSpec } from '../generated/models.ts';
import { ageSince } from '../human-duration.ts';
import type { Column, KubernetesObject } from './define-kind.ts';

/** Columns that many kinds share. What has no value shows as Kubernetes shows it. */
export const none = '<none>';

export const nameColumn: Column<KubernetesObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Unique among the objects of this kind in its namespace.',
  value: ({ metadata }) => metadata?.name ?? '',
};

export const ageColumn: Column<KubernetesObject> = {
  name: 'Age',
  type: 'string',
  description: 'Time since the object was created.',
  value: ({ metadata }, now) => ageSince(metadata?.creationTimestamp, now),
};

/** For kinds that Kubernetes shows with a date instead of an age. */
export const createdColumn: Column<KubernetesObject> = {
  name: 'Created At',
  type: 'date',
  description: 'When the object was created.',
  value: ({ metadata }) => metadata?.creationTimestamp ?? null,
};
type Value<T> = Column<T>['value'];

export function textColumn<T>(name: string, description: string, value: Value<T>): Column<T> {
  return { name, type: 'string', description, value };
}

export function numberColumn<T>(name: string, description: string, value: Value<T>): Column<T> {
  return { name, type: 'integer', description, value };
}

/** Shown with `-o wide` only. */
export function wide<T>(column: Column<T>): Column<T> {
  return { ...column, priority: 1 };
}

/** A list as Kubernetes cuts it: the first three, and how many more there are. */
export function firstOf(values: readonly string[], whenEmpty: string): string {
  const shown = values.slice(0, 3).join(',');
  if (values.length > 3) return `${shown} + ${values.length - 3} more...`;
  return shown || whenEmpty;
}

/** Containers and Images of the kinds that keep pods running, for `-o wide`. */
export function containerColumns<T>(specOf: (object: T) => PodSpec | undefined): Column<T>[] {
  const joined = (object: T, part: 'name' | 'image') =>
    (specOf(object)?.containers ?? []).map((container) => container[part] ?? '').join(',');
  return [
    {
      name: 'Containers',
      type: 'string',
      priority: 1,
      description: 'Names of the containers in the template.',
      value: (object) => joined(object, 'name'),
    },
    {
      name: 'Images',
      type: 'string',
      priority: 1,
      description: 'Images of the containers in the template.',
      value: (object) => joined(object, 'image'),
    },
  ];
}

export function labelsText(labels: Record<string, string> | undefined): string {
  const entries = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, value]) => `${key}=${value}`).join(',') || none;
}
