import { namespaceKind } from '../../protocol/kinds/namespace.ts';
import { serviceAccountKind } from '../../protocol/kinds/service-account.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import { defineController } from './define-controller.ts';

/** Keeps a ServiceAccount `default` in every namespace. */
export const serviceAccountController = defineController({
  name: 'serviceaccount',
  workers: 1,
  setup({ registry, cache }, enqueue) {
    const namespaces = cache.informer(namespaceKind);
    const accounts = cache.informer(serviceAccountKind);
    namespaces.onChange(({ type, object }) => {
      if (type !== 'deleted') enqueue(storedMeta(object).name);
    });
    accounts.onChange(({ type, object }) => {
      if (type === 'deleted' && object.metadata?.namespace) enqueue(object.metadata.namespace);
    });
    return async (namespace) => {
      const found = namespaces.get(undefined, namespace);
      if (!found || found.metadata?.deletionTimestamp !== undefined) return;
      if (accounts.get(namespace, 'default')) return;
      await registry
        .create(serviceAccountKind, { metadata: { namespace, name: 'default' } })
        .catch((error: unknown) => {
          const expected = isStatus(error, 'AlreadyExists') || isStatus(error, 'Forbidden');
          if (!expected) throw error;
        });
    };
  },
});
