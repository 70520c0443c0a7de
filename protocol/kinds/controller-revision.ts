import type { ControllerRevision } from '../generated/models.ts';
import { immutable, nonNegative, required } from './cause.ts';
import { ageColumn, nameColumn, none, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { controllerOf } from './stored-object.ts';

/** What a StatefulSet or DaemonSet once was, for going back to it. */
export const controllerRevisionKind = defineKind<ControllerRevision>({
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  singular: 'controllerrevision',
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.apps.v1.ControllerRevision',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    textColumn('Controller', 'What it is a revision of.', controllerText),
    textColumn('Revision', 'Its number; the highest is the newest.', ({ revision }) => revision ?? 0),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,

  applyDefaults(object) {
    object.revision ??= 0;
  },
  validate: (object) => [
    ...validateObjectMeta(object, dnsSubdomain),
    ...(object.data === undefined ? [required('data', 'data is mandatory')] : []),
    ...nonNegative('revision', object.revision),
  ],
  validateUpdate: (next, old) => immutable('data', next.data, old.data),
});

function controllerText(object: ControllerRevision): string {
  const owner = controllerOf(object);
  if (!owner) return none;
  const slash = owner.apiVersion.indexOf('/');
  const group = slash < 0 ? '' : `.${owner.apiVersion.slice(0, slash)}`;
  return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
}
