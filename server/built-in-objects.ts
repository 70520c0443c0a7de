import { namespaceKind } from '../protocol/kinds/namespace.ts';
import { isStatus } from '../protocol/status.ts';
import { ensureSystemPriorityClasses } from './admission/plugins/priority.ts';
import { ensureRuntimeClasses } from './admission/plugins/runtime-class.ts';
import { ensureDefaultRoles } from './api/access/rbac/ensure-defaults.ts';
import type { Registry } from './registry/registry.ts';

const builtInNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** What every cluster has from its first moment on. */
export async function ensureBuiltIns(registry: Registry): Promise<void> {
  await ensureNamespaces(registry);
  await ensureDefaultRoles(registry);
  await ensureSystemPriorityClasses(registry);
  await ensureRuntimeClasses(registry);
}

async function ensureNamespaces(registry: Registry): Promise<void> {
  for (const name of builtInNamespaces) {
    await registry.create(namespaceKind, { metadata: { name } }).catch((error: unknown) => {
      if (!isStatus(error, 'AlreadyExists')) throw error;
    });
  }
}
