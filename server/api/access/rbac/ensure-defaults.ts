import { forEachLimited } from '../../../../lib/for-each-limited.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
} from '../../../../protocol/generated/models.ts';
import { sameValue } from '../../../../protocol/kinds/cause.ts';
import { clusterRoleKind } from '../../../../protocol/kinds/cluster-role.ts';
import { clusterRoleBindingKind } from '../../../../protocol/kinds/cluster-role-binding.ts';
import type { KindDefinition, KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';
import { rbacGroup } from '../../../../protocol/kinds/rbac/policy-rules.ts';
import { roleKind } from '../../../../protocol/kinds/role.ts';
import { isStatus } from '../../../../protocol/status.ts';
import type { Registry } from '../../../registry/registry.ts';
import { missingRules } from './cover-rules.ts';
import {
  aggregation,
  autoUpdate,
  bootstrapMeta,
  defaultClusterBindings,
  defaultClusterRoles,
  defaultRoles,
} from './default-roles.ts';

/**
 * Makes the default roles and bindings that are missing, and gives those that are there what they lack, unless
 * their annotation
 * `rbac.authorization.kubernetes.io/autoupdate` is `false`. What somebody added to them stays (as Kubernetes does at its start).
 * Their namespaces must exist.
 */
export async function ensureDefaultRoles(registry: Registry): Promise<void> {
  await forEachLimited(defaultClusterRoles, writesAtATime, async (role) => {
    const wanted: ClusterRole = {
      metadata: bootstrapMeta(role),
      ...(role.rules ? { rules: [...role.rules] } : {}),
      ...aggregation(role),
    };
    await ensure(registry, clusterRoleKind, wanted, (draft) => {
      if (role.gathers === undefined) addRules(draft, role.rules ?? []);
      if (wanted.aggregationRule) draft.aggregationRule ??= wanted.aggregationRule;
    });
  });
  for (const role of defaultRoles) {
    const wanted: Role = { metadata: bootstrapMeta(role), rules: [...(role.rules ?? [])] };
    await ensure(registry, roleKind, wanted, (draft) => addRules(draft, role.rules ?? []));
  }
  await forEachLimited(defaultClusterBindings, writesAtATime, ({ role, groups }) =>
    ensureBinding(registry, role, groups),
  );
}

/** Together they share the store's commits. */
const writesAtATime = 16;

async function ensureBinding(registry: Registry, role: string, groups: readonly string[]): Promise<void> {
  const wanted: ClusterRoleBinding = {
    metadata: bootstrapMeta({ name: role }),
    roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name: role },
    subjects: groups.map((name) => ({ apiGroup: rbacGroup, kind: 'Group', name })),
  };
  await ensure(registry, clusterRoleBindingKind, wanted, (draft) => {
    const missing = (wanted.subjects ?? []).filter(
      (subject) => !draft.subjects?.some((one) => sameValue(one, subject)),
    );
    if (missing.length > 0) draft.subjects = [...(draft.subjects ?? []), ...missing];
  });
}

async function ensure<T extends KubernetesObject>(
  registry: Registry,
  kind: KindDefinition<T>,
  wanted: NoInfer<T>,
  complete: (draft: T) => void,
): Promise<void> {
  const { name = '', namespace, labels, annotations } = wanted.metadata ?? {};
  try {
    await registry.create(kind, wanted);
    return;
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) throw error;
  }
  await registry.mutate(kind, { name, ...(namespace === undefined ? {} : { namespace }) }, (draft) => {
    const metadata = (draft.metadata ??= {});
    if (metadata.annotations?.[autoUpdate] === 'false') return;
    metadata.labels = { ...metadata.labels, ...labels };
    metadata.annotations = { ...metadata.annotations, ...annotations };
    complete(draft);
  });
}

function addRules(draft: { rules?: PolicyRule[] }, wanted: readonly PolicyRule[]): void {
  const held = draft.rules ?? [];
  const missing = wanted.filter((rule) => (missingRules(held, [rule])?.length ?? 0) > 0);
  if (missing.length > 0) draft.rules = [...held, ...missing];
}
