import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
} from '../../../protocol/kinds/define-kind.ts';
import { configurationFaults } from '../../../protocol/patch/configuration-faults.ts';
import { fieldsOfKind } from '../../../protocol/patch/field-schema.ts';
import type { FieldValidation } from '../../../protocol/schema/decode-object.ts';
import { findDuplicateFields } from '../../../protocol/schema/duplicate-fields.ts';
import { StatusError } from '../../../protocol/status.ts';
import type { ResourceExchange } from '../exchange.ts';
import { checkPlace } from '../request/body-object.ts';
import { parseJson, parseYaml, type RequestBody, textOf } from '../request/request-body.ts';
import { addWarning } from '../response/answer.ts';

export const applyMediaType = 'application/apply-patch+yaml';

/**
 * The configuration that an apply request carries: an object of the exchange's kind and name with all that the applier
 * wants to own, cut to what the addressed part of the object takes. Throws BadRequest.
 */
export function readConfiguration(
  exchange: ResourceExchange,
  body: RequestBody,
  fieldValidation: FieldValidation,
): KubernetesObject {
  const { kind, info, services } = exchange;
  const value = parseConfiguration(exchange, body, fieldValidation);
  checkType(kind, value);
  const metadata = value['metadata'];
  if (isObject(metadata) && metadata['managedFields'] !== undefined && metadata['managedFields'] !== null)
    throw new StatusError('BadRequest', 'metadata.managedFields must be nil');
  const { object, warnings } = services.decoder.decode(kind, value, { fieldValidation: 'Warn' });
  const unknown = warnings.map((warning) => /^unknown field "(.*)"$/s.exec(warning)?.[1] ?? warning);
  checkPlace(exchange, object, { named: true });
  refuseFaults(kind, object, [
    ...unknown.map((path) => `.${path}: field not declared in schema`),
    ...configurationFaults(object, fieldsOfKind(kind, services.fieldSchemaOf)),
  ]);
  return partFor(kind, object, info.subresource ?? '');
}

/** kubectl sends JSON under YAML's name, and its parser is many times as fast. */
export function parseConfiguration(
  exchange: ResourceExchange,
  body: RequestBody,
  fieldValidation: FieldValidation,
): Record<string, unknown> {
  const text = textOf(body);
  const isJson = /^\s*\{/.test(text);
  const value = isJson ? parseJson(text) : parseYaml(text);
  if (!isObject(value)) throw new StatusError('BadRequest', 'error decoding YAML: the body is not an object');
  if (isJson && fieldValidation !== 'Ignore') {
    for (const path of findDuplicateFields(text)) {
      const fault = `duplicate field "${path}"`;
      if (fieldValidation === 'Strict')
        throw new StatusError('BadRequest', `error strict decoding YAML: ${fault}`);
      addWarning(exchange, fault);
    }
  }
  return value;
}

/** Throws BadRequest unless the configuration says that it is of this kind. */
export function checkType(
  kind: Pick<KindDefinition, 'group' | 'version' | 'kind'>,
  value: Record<string, unknown>,
): void {
  const { apiVersion, kind: given } = value;
  if (apiVersion === apiVersionOf(kind) && given === kind.kind) return;
  if (typeof given !== 'string' || given === '')
    throw new StatusError('BadRequest', "Object 'Kind' is missing in the applied configuration");
  if (typeof apiVersion !== 'string' || apiVersion === '')
    throw new StatusError('BadRequest', "Object 'apiVersion' is missing in the applied configuration");
  throw new StatusError('BadRequest', `invalid object type: ${apiVersion}, Kind=${given}`);
}

function refuseFaults(kind: KindDefinition, { metadata }: KubernetesObject, faults: readonly string[]): void {
  if (faults.length === 0) return;
  const place = [metadata?.namespace, metadata?.name].filter((part) => part).join('/');
  const list =
    faults.length === 1 ? faults[0] : ['errors:', ...faults.map((fault) => `  ${fault}`)].join('\n');
  throw new StatusError(
    'BadRequest',
    `failed to create typed patch object (${place}; ${apiVersionOf(kind)}, Kind=${kind.kind}): ${list}`,
  );
}

/** Through `status` only the status can be applied; where there is such a door, the other one leads to the rest. */
function partFor(kind: KindDefinition, object: KubernetesObject, subresource: string): KubernetesObject {
  const { status, ...rest } = object as KubernetesObject & { status?: unknown };
  if (subresource !== 'status') return kind.subresources.includes('status') ? rest : object;
  const { name, namespace, resourceVersion, uid } = object.metadata ?? {};
  const metadata = Object.fromEntries(
    Object.entries({ name, namespace, resourceVersion, uid }).filter(([, given]) => given !== undefined),
  );
  const { apiVersion = '', kind: kindName = '' } = object;
  return { apiVersion, kind: kindName, metadata, ...(status === undefined ? {} : { status }) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
