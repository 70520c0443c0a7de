import type { RoleRef, Subject } from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { immutable, invalid, invalidFor, notSupported, required, sameValue } from '../cause.ts';
import type { Column, KubernetesObject } from '../define-kind.ts';
import { dnsSubdomain } from '../name-rules.ts';
import { rbacGroup } from './policy-rules.ts';

/** What a RoleBinding and a ClusterRoleBinding share. */
export interface AnyBinding extends KubernetesObject {
  roleRef?: RoleRef;
  subjects?: Subject[];
}

/** Users and groups live in RBAC's own API group, service accounts in the core one. */
export function defaultBinding({ roleRef, subjects }: AnyBinding): void {
  if (roleRef) roleRef.apiGroup ||= rbacGroup;
  for (const subject of subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= rbacGroup;
  }
}

/** Source: k8s.io/kubernetes/pkg/apis/rbac/validation. */
export function validateBinding(
  { roleRef, subjects }: AnyBinding,
  { namespaced, roleKinds }: { namespaced: boolean; roleKinds: readonly string[] },
): StatusCause[] {
  return [
    ...validateRoleRef(roleRef, roleKinds),
    ...(subjects ?? []).flatMap((subject, index) =>
      validateSubject(subject, `subjects[${index}]`, namespaced),
    ),
  ];
}

export function validateBindingUpdate(next: AnyBinding, old: AnyBinding): StatusCause[] {
  if (sameValue(next.roleRef, old.roleRef)) return immutable('roleRef', next.roleRef, old.roleRef);
  return [invalid('roleRef', next.roleRef, 'cannot change roleRef')];
}

function validateRoleRef(ref: RoleRef | undefined, kinds: readonly string[]): StatusCause[] {
  const { apiGroup = '', kind = '', name = '' } = ref ?? {};
  const causes: StatusCause[] = [];
  if (apiGroup !== rbacGroup) causes.push(notSupported('roleRef.apiGroup', apiGroup, [rbacGroup]));
  if (!kinds.includes(kind)) causes.push(notSupported('roleRef.kind', kind, kinds));
  if (name === '') causes.push(required('roleRef.name'));
  else causes.push(...invalidFor('roleRef.name', name, segmentFaults(name)));
  return causes;
}

/** Names of roles are whatever can stand in a path (source: apimachinery, IsValidPathSegmentName). */
function segmentFaults(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`];
  return ['/', '%'].filter((bad) => name.includes(bad)).map((bad) => `may not contain '${bad}'`);
}

function validateSubject(subject: Subject, field: string, namespaced: boolean): StatusCause[] {
  const { kind, name, namespace = '', apiGroup = '' } = subject;
  const causes = !name ? [required(`${field}.name`)] : [];
  switch (kind) {
    case 'ServiceAccount':
      if (name) causes.push(...invalidFor(`${field}.name`, name, dnsSubdomain(name)));
      if (apiGroup !== '') causes.push(notSupported(`${field}.apiGroup`, apiGroup, ['']));
      if (!namespaced && namespace === '') causes.push(required(`${field}.namespace`));
      return causes;
    case 'User':
    case 'Group':
      if (!name) causes.push(invalid(`${field}.name`, '', `${kind.toLowerCase()} name cannot be empty`));
      if (apiGroup !== rbacGroup) causes.push(notSupported(`${field}.apiGroup`, apiGroup, [rbacGroup]));
      return causes;
    default:
      return [...causes, notSupported(`${field}.kind`, kind ?? '', ['ServiceAccount', 'User', 'Group'])];
  }
}

/** Role, and for `-o wide` who it is given to. */
export const bindingColumns: readonly Column<AnyBinding>[] = [
  {
    name: 'Role',
    type: 'string',
    description: 'The role that is given.',
    value: ({ roleRef }) => `${roleRef?.kind ?? ''}/${roleRef?.name ?? ''}`,
  },
];

export const subjectColumns: readonly Column<AnyBinding>[] = [
  subjectColumn('Users', 'User', ({ name }) => name),
  subjectColumn('Groups', 'Group', ({ name }) => name),
  subjectColumn(
    'ServiceAccounts',
    'ServiceAccount',
    ({ namespace, name }) => `${namespace ? `${namespace}/` : ''}${name}`,
  ),
];

function subjectColumn(name: string, kind: string, text: (subject: Subject) => string): Column<AnyBinding> {
  return {
    name,
    type: 'string',
    priority: 1,
    description: `${name} that are given the role.`,
    value: ({ subjects }) =>
      (subjects ?? [])
        .filter((subject) => subject.kind === kind)
        .map(text)
        .join(', '),
  };
}
