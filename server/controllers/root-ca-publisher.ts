import { configMapKind } from '../../protocol/kinds/config-map.ts';
import { namespaceKind } from '../../protocol/kinds/namespace.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import { type ControllerDefinition, defineController } from './define-controller.ts';
import { isNamespaceEnding } from './expected-failures.ts';

const name = 'kube-root-ca.crt';
const description =
  'Contains a CA bundle that can be used to verify the API server: for the pods of this namespace.';

/** Keeps the certificate that the API server is known by in every namespace, for pods to mount. */
export function rootCaPublisher({ caCertificate }: { caCertificate: string }): ControllerDefinition {
  const data = { 'ca.crt': caCertificate };
  return defineController({
    name: 'root-ca-certificate-publisher',
    workers: 2,
    setup({ registry, cache, follow }, enqueue) {
      const namespaces = cache.informer(namespaceKind);
      const configMaps = cache.informer(configMapKind);
      follow(namespaces, ({ type, object }) => {
        if (type !== 'deleted') enqueue(storedMeta(object).name);
      });
      follow(configMaps, ({ object }) => {
        const { metadata } = object;
        if (metadata?.name === name && metadata.namespace) enqueue(metadata.namespace);
      });
      return async (namespace) => {
        const found = namespaces.get(undefined, namespace);
        if (!found || found.metadata?.deletionTimestamp !== undefined) return;
        const published = configMaps.get(namespace, name);
        if (published?.data?.['ca.crt'] === caCertificate && Object.keys(published.data).length === 1) return;
        const annotations = { 'kubernetes.io/description': description };
        const write = published
          ? registry.mutate(configMapKind, { namespace, name }, (draft) => void (draft.data = { ...data }))
          : registry.create(configMapKind, { metadata: { namespace, name, annotations }, data });
        await write.catch((error: unknown) => {
          const raced = isStatus(error, 'AlreadyExists') || isStatus(error, 'NotFound');
          if (!raced && !isNamespaceEnding(error)) throw error;
        });
      };
    },
  });
}
