import { apiVersionOf, type KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { FieldValidation } from '../../../protocol/schema/decode-object.ts';
import { findDuplicateFields } from '../../../protocol/schema/duplicate-fields.ts';
import { StatusError } from '../../../protocol/status.ts';
import type { ApiServices, ResourceExchange } from '../exchange.ts';
import { addWarning } from '../response/answer.ts';
import { type BodyType, isJson, parseBody, type RequestBody, textOf } from './request-body.ts';

/**
 * The object in a request's body, known to have the fields and types of its kind. Unknown and repeated fields are
 * dropped, with a warning or a refusal as `fieldValidation` says. Throws BadRequest in the words kubectl's users
 * know.
 */
export function decodeBody(
  exchange: ResourceExchange,
  body: RequestBody,
  fieldValidation: FieldValidation,
): KubernetesObject {
  const { kind, services } = exchange;
  const value = parseTyped(services, body, { ...kind, apiVersion: apiVersionOf(kind) });
  const looksForDuplicates = fieldValidation !== 'Ignore' && isJson(body);
  const { object, warnings } = services.decoder.decode(kind, value, {
    fieldValidation,
    ...(looksForDuplicates ? { duplicateFields: findDuplicateFields(textOf(body)) } : {}),
  });
  for (const warning of warnings) addWarning(exchange, warning);
  return object;
}

/** What a body must be; a body without kind or apiVersion is taken for it. */
interface ExpectedType extends BodyType {
  version: string;
  apiVersion: string;
}

/** The parsed body, an object of no other kind than the expected one. */
export function parseTyped(services: Decoders, body: RequestBody, type: ExpectedType): object {
  const { kind, version, apiVersion } = type;
  const value = parseObject(services, body, type);
  if (value.apiVersion && value.apiVersion !== apiVersion)
    throw new StatusError(
      'BadRequest',
      `the API version in the data (${shown(value.apiVersion)}) does not match the expected API version (${apiVersion})`,
    );
  if (value.kind && value.kind !== kind)
    throw new StatusError(
      'BadRequest',
      `${shown(value.kind)} in version "${version}" cannot be handled as a ${kind}: the kind does not match the path`,
    );
  return value;
}

/** What parsing a body needs of the server. */
type Decoders = Pick<ApiServices, 'protobuf'>;

/** The parsed body, an object. */
export function parseObject(
  { protobuf }: Decoders,
  body: RequestBody,
  type: BodyType,
): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseBody(body, type, protobuf);
  } catch (error) {
    if (!(error instanceof StatusError) || error.reason !== 'BadRequest') throw error;
    throw unrecognised(type.kind, error.message);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unrecognised(type.kind, "couldn't get version/kind; the body is not an object");
  return value as Record<string, unknown>;
}

function unrecognised(kind: string, why: string): StatusError {
  return new StatusError(
    'BadRequest',
    `the object provided is unrecognized (must be of type ${kind}): ${why}`,
  );
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Path and body must name the same object; what the body leaves out is filled in from the path. */
export function checkPlace(
  { kind, info }: Pick<ResourceExchange, 'kind' | 'info'>,
  object: KubernetesObject,
  options: { named: boolean },
): void {
  const metadata = (object.metadata ??= {});
  if (!kind.namespaced) {
    if (metadata.namespace) throw new StatusError('BadRequest', 'namespace is not allowed on this type');
    delete metadata.namespace;
  } else if (metadata.namespace && metadata.namespace !== info.namespace)
    throw new StatusError(
      'BadRequest',
      'the namespace of the provided object does not match the namespace sent on the request',
    );
  else if (info.namespace !== undefined) metadata.namespace = info.namespace;
  if (!options.named) return;
  if (metadata.name && metadata.name !== info.name)
    throw new StatusError(
      'BadRequest',
      `the name of the object (${metadata.name}) does not match the name on the URL (${info.name})`,
    );
  if (info.name !== undefined) metadata.name = info.name;
}
