import type { RoleBinding } from '../generated/models.ts';
import { ageColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { anyName } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import {
  bindingColumns,
  defaultBinding,
  subjectColumns,
  validateBinding,
  validateBindingUpdate,
} from './rbac/bindings.ts';
import { rbacGroup } from './rbac/policy-rules.ts';

export const roleBindingKind = defineKind<RoleBinding>({
  group: rbacGroup,
  version: 'v1',
  kind: 'RoleBinding',
  plural: 'rolebindings',
  singular: 'rolebinding',
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.rbac.v1.RoleBinding',
  verbs: allVerbs,
  subresources: [],
  columns: [nameColumn, ...bindingColumns, ageColumn, ...subjectColumns],
  selectableFields: {},
  generationOf: false,
  applyDefaults: defaultBinding,
  validate: (binding) => [
    ...validateObjectMeta(binding, anyName),
    ...validateBinding(binding, { namespaced: true, roleKinds: ['Role', 'ClusterRole'] }),
  ],
  validateUpdate: validateBindingUpdate,
});
