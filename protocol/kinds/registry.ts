import { clusterRoleKind } from './cluster-role.ts';
import { clusterRoleBindingKind } from './cluster-role-binding.ts';
import { configMapKind } from './config-map.ts';
import type { KindDefinition } from './define-kind.ts';
import { deploymentKind } from './deployment.ts';
import { eventKind } from './event.ts';
import { leaseKind } from './lease.ts';
import { namespaceKind } from './namespace.ts';
import { nodeKind } from './node.ts';
import { podKind } from './pod.ts';
import { replicaSetKind } from './replica-set.ts';
import { roleKind } from './role.ts';
import { roleBindingKind } from './role-binding.ts';
import { secretKind } from './secret.ts';
import { serviceKind } from './service.ts';
import { serviceAccountKind } from './service-account.ts';

/** Every kind the API serves, in the order of its groups. Routes, discovery, OpenAPI and tables are loops over it. */
export const kinds: readonly KindDefinition[] = [
  namespaceKind,
  nodeKind,
  podKind,
  eventKind,
  configMapKind,
  secretKind,
  serviceKind,
  serviceAccountKind,
  deploymentKind,
  replicaSetKind,
  leaseKind,
  roleKind,
  roleBindingKind,
  clusterRoleKind,
  clusterRoleBindingKind,
];

/** The kind that a request's path names, or undefined. */
export function findKind(group: string, version: string, plural: string): KindDefinition | undefined {
  return kinds.find((kind) => kind.group === group && kind.version === version && kind.plural === plural);
}
