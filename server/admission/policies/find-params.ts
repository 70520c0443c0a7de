import type { ParamKind, ParamRef } from '../../../protocol/generated/models.ts';
import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
} from '../../../protocol/kinds/define-kind.ts';
import type { KindSet } from '../../../protocol/kinds/kind-set.ts';
import { compileLabelSelector, selectorText } from '../../../protocol/selectors.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import type { AdmissionContext } from '../define-admission.ts';

/** A policy or binding that cannot be carried out as it is written. */
export class PolicyConfigurationError extends Error {
  readonly code = 'ERR_POLICY_CONFIGURATION';

  constructor(message: string) {
    super(message);
    this.name = 'PolicyConfigurationError';
  }
}

type Sources = Pick<AdmissionContext, 'registry' | 'cache' | 'kinds'>;

/**
 * The parameters that a binding gives to its policy for this request; one that is undefined where there are none to
 * give, and none at all where that lets the request through. Throws PolicyConfigurationError.
 */
export async function findParams(
  sources: Sources,
  request: AdmissionRequest,
  { paramKind, paramRef }: { paramKind: ParamKind | undefined; paramRef: ParamRef | undefined },
): Promise<readonly (Readonly<KubernetesObject> | undefined)[]> {
  if (!paramKind || !paramRef) return [undefined];
  const kind = kindOf(sources.kinds, paramKind);
  if (!kind)
    throw new PolicyConfigurationError(
      `failed to configure policy: failed to find resource referenced by paramKind: '${paramKind.apiVersion}, Kind=${paramKind.kind}'`,
    );
  const namespace = namespaceFor(kind, request, paramRef);
  const found = await read(sources, kind, { namespace, paramRef });
  if (found.length > 0 || paramRef.parameterNotFoundAction !== 'Deny') return found;
  throw new PolicyConfigurationError(
    'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction',
  );
}

function kindOf(kinds: KindSet, { apiVersion, kind }: ParamKind): KindDefinition | undefined {
  for (const one of kinds) if (one.kind === kind && apiVersionOf(one) === apiVersion) return one;
  return undefined;
}

function namespaceFor(
  kind: KindDefinition,
  request: AdmissionRequest,
  { namespace }: ParamRef,
): string | undefined {
  if (!kind.namespaced) {
    if (namespace === undefined || namespace === '') return undefined;
    throw new PolicyConfigurationError(
      'failed to configure binding: paramRef.namespace must not be provided for a cluster-scoped `paramKind`',
    );
  }
  const within = namespace || request.namespace;
  if (within) return within;
  throw new PolicyConfigurationError(
    'failed to configure binding: cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
  );
}

async function read(
  { registry, cache }: Sources,
  kind: KindDefinition,
  { namespace, paramRef }: { namespace: string | undefined; paramRef: ParamRef },
): Promise<readonly Readonly<KubernetesObject>[]> {
  const { name, selector } = paramRef;
  const within = namespace === undefined ? {} : { namespace };
  if (name !== undefined) {
    try {
      return [await registry.get(kind, { name, ...within })];
    } catch (error) {
      if (isStatus(error, 'NotFound')) return [];
      throw error;
    }
  }
  const informer = cache.informer(kind);
  if (informer.resourceVersion === '')
    return (await registry.list(kind, { ...within, labelSelector: selectorText(selector) })).items;
  const matches = compileLabelSelector(selector);
  return [...informer.list()].filter(
    ({ metadata }) =>
      (namespace === undefined || metadata?.namespace === namespace) && matches(metadata?.labels),
  );
}
