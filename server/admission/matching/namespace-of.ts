import { namespaceKind } from '../../../protocol/kinds/namespace.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import { notFound } from '../../registry/failures.ts';
import type { AdmissionContext } from '../define-admission.ts';
import { findObject } from '../find-object.ts';
import type { NamespaceOf } from './criteria.ts';

/** Looks a request's namespace up, at most once a request. */
export function namespaceLookUp({
  registry,
  cache,
}: Pick<AdmissionContext, 'registry' | 'cache'>): (request: AdmissionRequest) => NamespaceOf {
  const informer = cache.informer(namespaceKind);
  return ({ namespace, kind }) => {
    let found: ReturnType<NamespaceOf> | undefined;
    const name = kind.namespaced ? namespace : undefined;
    const find = async () => {
      if (name === undefined) return undefined;
      const object = await findObject({ registry, informer }, { name });
      if (!object) throw notFound(namespaceKind, name);
      return object;
    };
    return () => (found ??= find());
  };
}
