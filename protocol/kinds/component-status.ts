import type { ComponentStatus } from '../generated/models.ts';
import { nameColumn, textColumn } from './columns.ts';
import { defineKind } from './define-kind.ts';

/**
 * How the server's parts are. Found out when somebody asks, and never stored: served, discovered and described like a
 * kind, but no registry, informer or controller ever sees it.
 */
export const componentStatusKind = defineKind<ComponentStatus>({
  group: '',
  version: 'v1',
  kind: 'ComponentStatus',
  plural: 'componentstatuses',
  singular: 'componentstatus',
  shortNames: ['cs'],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.core.v1.ComponentStatus',
  verbs: ['get', 'list'],
  subresources: [],
  columns: [
    nameColumn,
    textColumn('Status', 'Whether it is well.', (component) => {
      return healthOf(component)?.status === 'True' ? 'Healthy' : 'Unhealthy';
    }),
    textColumn('Message', 'What it says.', (component) => healthOf(component)?.message ?? ''),
    textColumn('Error', 'Why it is not well.', (component) => healthOf(component)?.error ?? ''),
  ],
  selectableFields: {},
  generationOf: false,
});

function healthOf({ conditions = [] }: ComponentStatus) {
  return conditions.find(({ type }) => type === 'Healthy');
}
