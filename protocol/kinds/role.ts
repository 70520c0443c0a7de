import type { Role } from '../generated/models.ts';
import { createdColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { anyName } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { rbacGroup, validateRules } from './rbac/policy-rules.ts';

export const roleKind = defineKind<Role>({
  group: rbacGroup,
  version: 'v1',
  kind: 'Role',
  plural: 'roles',
  singular: 'role',
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.rbac.v1.Role',
  verbs: allVerbs,
  subresources: [],
  columns: [nameColumn, createdColumn],
  selectableFields: {},
  generationOf: false,
  validate: (role) => [
    ...validateObjectMeta(role, anyName),
    ...validateRules(role.rules, { namespaced: true }),
  ],
});
