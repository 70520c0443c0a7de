import { plainCelValue } from '../../protocol/cel/plain-value.ts';
import type { Scale } from '../../protocol/generated/models.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { scaleOf, scaleType } from '../../protocol/kinds/scale.ts';
import type { ObjectDecoder } from '../../protocol/schema/decode-object.ts';
import type { AdmissionRequest } from '../registry/admission.ts';
import { asKind } from './matching/equivalent-kinds.ts';
import { requestAttributes } from './request-attributes.ts';

/** A request as a webhook or policy sees it: its objects in the version that the rules name. */
export interface SeenRequest {
  kind: KindDefinition;
  attributes: ReturnType<typeof requestAttributes>;
  object: KubernetesObject | undefined;
  oldObject: KubernetesObject | undefined;
}

export async function seenAs(request: AdmissionRequest, kind: KindDefinition): Promise<SeenRequest> {
  const attributes = requestAttributes(request, kind);
  const { scale } = request.kind;
  if (scale && request.subresource === 'scale') {
    const see = (object: Readonly<KubernetesObject> | undefined) => object && scaleOf(scale, object);
    return { kind, attributes, object: see(request.object), oldObject: see(request.oldObject) };
  }
  // What was posted to a subresource is of its own kind in every version.
  const isOwn = attributes.kind.kind === kind.kind;
  const see = async (object: Readonly<KubernetesObject> | undefined) =>
    object && isOwn ? asKind(object, request.kind, kind) : object;
  return { kind, attributes, object: await see(request.object), oldObject: await see(request.oldObject) };
}

/** Takes over what a webhook or policy made of the object it saw. Throws a StatusError when that is none. */
export async function takeSeen(
  request: AdmissionRequest,
  { kind, decoder }: { kind: KindDefinition; decoder: ObjectDecoder },
  changed: unknown,
): Promise<void> {
  const { scale } = request.kind;
  if (scale && request.subresource === 'scale') {
    const { object } = decoder.decodeAs(scaleType.schema, changed, { fieldValidation: 'Ignore' });
    const { replicas = 0 } = (object as Scale).spec ?? {};
    const next = structuredClone(request.object) ?? {};
    scale.setReplicas(next, replicas);
    request.object = next;
    return;
  }
  const { object } = decoder.decode(kind, changed, { fieldValidation: 'Ignore' });
  kind.applyDefaults?.(object);
  request.object = await asKind(object, kind, request.kind);
}

/** The variables that every expression may name; each is made when it is first named. */
export function requestVariables({ attributes, object, oldObject }: SeenRequest): Record<string, unknown> {
  return lazily({
    request: () => plainCelValue(attributes),
    object: () => plainCelValue(object),
    oldObject: () => plainCelValue(oldObject),
  });
}

/** An object whose fields are made at their first use, once. */
export function lazily(makers: Readonly<Record<string, () => unknown>>): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [name, make] of Object.entries(makers)) {
    let value: { is: unknown } | undefined;
    Object.defineProperty(made, name, { enumerable: true, get: () => (value ??= { is: make() }).is });
  }
  return made;
}
