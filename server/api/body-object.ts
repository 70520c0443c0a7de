import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
} from '../../protocol/kinds/define-kind.ts';
import { decodeObject } from '../../protocol/schema/decode-object.ts';
import { StatusError } from '../../protocol/status.ts';
import { addWarning } from './answer.ts';
import type { ResourceExchange } from './exchange.ts';
import { parseBody, type RequestBody } from './request-body.ts';
import type { FieldValidation } from './write-options.ts';

/**
 * The object in a request's body, known to have the fields and types of its kind. Unknown fields are dropped, with a
 * warning or a refusal as `fieldValidation` says. Throws BadRequest in the words kubectl's users know.
 */
export function decodeBody(
  exchange: ResourceExchange,
  body: RequestBody,
  fieldValidation: FieldValidation,
): KubernetesObject {
  const { kind } = exchange;
  const value = parseNamed(kind, body);
  checkTypeMeta(kind, value);
  const subject = `${kindIn(value) || kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}`;
  const decoded = decodeObject(kind, value);
  if (decoded.errors.length > 0)
    throw new StatusError('BadRequest', `${subject}: ${decoded.errors.join(', ')}`);
  if (decoded.unknownFields.length > 0) {
    const problems = decoded.unknownFields.map((path) => `unknown field "${path}"`);
    if (fieldValidation === 'Strict')
      throw new StatusError('BadRequest', `${subject}: strict decoding error: ${problems.join(', ')}`);
    if (fieldValidation === 'Warn') for (const problem of problems) addWarning(exchange, problem);
  }
  return decoded.object;
}

function parseNamed(kind: KindDefinition, body: RequestBody): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseBody(body);
  } catch (error) {
    if (!(error instanceof StatusError) || error.reason !== 'BadRequest') throw error;
    throw unrecognised(kind, error.message);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unrecognised(kind, "couldn't get version/kind; the body is not an object");
  return value as Record<string, unknown>;
}

function unrecognised(kind: KindDefinition, why: string): StatusError {
  return new StatusError(
    'BadRequest',
    `the object provided is unrecognized (must be of type ${kind.kind}): ${why}`,
  );
}

/** A body without kind or apiVersion is taken for what the path says. */
function checkTypeMeta(kind: KindDefinition, value: Record<string, unknown>): void {
  const apiVersion = typeof value.apiVersion === 'string' ? value.apiVersion : '';
  const expected = apiVersionOf(kind);
  if (apiVersion !== '' && apiVersion !== expected)
    throw new StatusError(
      'BadRequest',
      `the API version in the data (${apiVersion}) does not match the expected API version (${expected})`,
    );
  const given = kindIn(value);
  if (given !== '' && given !== kind.kind)
    throw new StatusError(
      'BadRequest',
      `${given} in version "${kind.version}" cannot be handled as a ${kind.kind}: the kind does not match the path`,
    );
}

function kindIn({ kind }: Record<string, unknown>): string {
  return typeof kind === 'string' ? kind : '';
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
