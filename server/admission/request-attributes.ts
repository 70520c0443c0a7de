import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { namespaceKind } from '../../protocol/kinds/namespace.ts';
import { scaleType } from '../../protocol/kinds/scale.ts';
import type { AdmissionRequest } from '../registry/admission.ts';
import { isOneOf } from './is-one-of.ts';

/** Subresources whose bodies are the object itself, or a part of it. */
const partsOfObject = new Set(['', 'status', 'approval', 'ephemeralcontainers', 'finalize', 'resize']);

/** What an AdmissionReview tells of a request beside the objects; `kind` is the one as which they are seen. */
export function requestAttributes(request: AdmissionRequest, kind: KindDefinition) {
  const { requestKind, subresource, operation, user, name, dryRun, options, object } = request;
  const namespace = namespaceFor(request);
  const posted = subresource === 'scale' ? scaleType : partsOfObject.has(subresource) ? undefined : object;
  const part = subresource === '' ? {} : { subResource: subresource };
  return {
    kind: typeOf(kind, posted),
    resource: resourceOf(kind),
    ...part,
    requestKind: typeOf(requestKind, posted),
    requestResource: resourceOf(requestKind),
    ...(subresource === '' ? {} : { requestSubResource: subresource }),
    ...(name === '' ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    operation,
    userInfo: {
      username: user.name,
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      groups: user.groups,
      ...(user.extra ? { extra: user.extra } : {}),
    },
    dryRun,
    options,
  };
}

/** An existing namespace is in itself. */
function namespaceFor({ kind, operation, namespace, name }: AdmissionRequest): string | undefined {
  return isOneOf(kind, namespaceKind) && operation !== 'CREATE' ? name : namespace;
}

function typeOf({ group, version, kind }: KindDefinition, posted: KubernetesObject | undefined) {
  if (posted?.kind === undefined || posted.apiVersion === undefined) return { group, version, kind };
  const [first = '', second] = posted.apiVersion.split('/');
  return second === undefined
    ? { group: '', version: first, kind: posted.kind }
    : { group: first, version: second, kind: posted.kind };
}

function resourceOf({ group, version, plural }: KindDefinition) {
  return { group, version, resource: plural };
}
