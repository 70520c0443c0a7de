import { namespaceKind } from '../../protocol/kinds/namespace.ts';
import { serviceAccountKind } from '../../protocol/kinds/service-account.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import { defineController } from './define-controller.ts';
import { isNamespaceEnding } from './expected-failures.ts';

/**
 * Keeps a ServiceAccount `default` in every namespace. Pods that name no account get no token, unless somebody lets them:
 * see docs/decisions/0162-tokens-are-for-named-accounts.md.
 */
export const serviceAccountController = defineController({
  name: 'serviceaccount',
  workers: 4,
  setup({ registry, cache, follow }, enqueue) {
    const namespaces = cache.informer(namespaceKind);
    const accounts = cache.informer(serviceAccountKind);
    follow(namespaces, ({ type, object }) => {
      if (type !== 'deleted') enqueue(storedMeta(object).name);
    });
    follow(accounts, ({ type, object }) => {
      if (type === 'deleted' && object.metadata?.namespace) enqueue(object.metadata.namespace);
    });
    return async (namespace) => {
      const found = namespaces.get(undefined, namespace);
      if (!found || found.metadata?.deletionTimestamp !== undefined) return;
      if (accounts.get(namespace, 'default')) return;
      await registry
        .create(serviceAccountKind, {
          metadata: { namespace, name: 'default' },
          automountServiceAccountToken: false,
        })
        .catch((error: unknown) => {
          if (!isStatus(error, 'AlreadyExists') && !isNamespaceEnding(error)) throw error;
        });
    };
  },
});
