import { type Random, uuid } from '../../lib/random.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
  WebhookConversion,
} from '../../protocol/generated/models.ts';
import { schemaOfVersion } from '../../protocol/kinds/custom-resource-definition.ts';
import type {
  ConvertObjects,
  KubernetesObject,
  VersionConversion,
} from '../../protocol/kinds/define-kind.ts';
import type { FieldSchema } from '../../protocol/patch/field-schema.ts';
import { isObject } from '../../protocol/patch/json-value.ts';
import { StatusError } from '../../protocol/status.ts';
import { applySchemaDefaults } from '../../protocol/structural/apply-defaults.ts';
import { pruneObject } from '../../protocol/structural/prune.ts';
import { callWebhook } from '../outgoing/call-webhook.ts';
import { HttpsCallError } from '../outgoing/https-client.ts';
import type { Outgoing } from '../outgoing/outgoing.ts';
import { customFields } from './custom-schemas.ts';

export interface ConversionContext {
  outgoing: Outgoing;
  random: Random;
}

/** Source: apiextensions-apiserver, conversion webhooks have the time of a client without settings. */
const timeoutMs = 30_000;
const reviewVersions = ['v1', 'v1beta1'];

/** How the versions of a definition become one another: by their names alone, or by its webhook. */
export function conversionOf(
  definition: CustomResourceDefinition,
  context: ConversionContext,
): VersionConversion {
  const { spec } = definition;
  const stored = spec.versions.find(({ storage }) => storage)?.name ?? '';
  const storedApiVersion = `${spec.group}/${stored}`;
  const { strategy, webhook } = spec.conversion ?? {};
  if (strategy !== 'Webhook' || !webhook) return { storedApiVersion };
  const compiled = new Map<string, FieldSchema>();
  return {
    storedApiVersion,
    convert: convertBy(spec, webhook, context),
    fieldsOf(apiVersion) {
      const version = spec.versions.find(({ name }) => `${spec.group}/${name}` === apiVersion);
      if (!version) return undefined;
      const fields = compiled.get(apiVersion) ?? customFields(definition, version);
      compiled.set(apiVersion, fields);
      return fields;
    },
  };
}

function convertBy(
  spec: CustomResourceDefinitionSpec,
  webhook: WebhookConversion,
  { outgoing, random }: ConversionContext,
): ConvertObjects {
  const version = webhook.conversionReviewVersions.find((name) => reviewVersions.includes(name)) ?? 'v1';
  return async (objects, apiVersion) => {
    for (const object of objects) fillIn(spec, object);
    const subject = `conversion webhook for ${objects[0]?.apiVersion}, Kind=${spec.names.kind}`;
    const uid = uuid(random);
    const review = {
      apiVersion: `apiextensions.k8s.io/${version}`,
      kind: 'ConversionReview',
      request: { uid, desiredAPIVersion: apiVersion, objects },
    };
    const answer = await callWebhook(outgoing, {
      client: webhook.clientConfig ?? {},
      review,
      timeoutMs,
    }).catch((error: unknown) => {
      if (error instanceof HttpsCallError) throw failure(`${subject} failed: ${error.message}`, error);
      throw error;
    });
    const converted = convertedObjects(answer.response, { uid, subject, count: objects.length });
    return converted.map((object, index) => {
      const original = objects[index] ?? {};
      const fault = faultOf(object, original, { apiVersion, index });
      if (fault !== undefined) throw failure(`${subject} returned ${fault}`);
      return tidied(spec, object as KubernetesObject, original);
    });
  };
}

/** Kubernetes has no reason for these failures. */
function failure(message: string, cause?: unknown): StatusError {
  return new StatusError('Unknown', message, { cause });
}

/** What an older object lacks, by the schema of its own version. */
function fillIn(spec: CustomResourceDefinitionSpec, object: KubernetesObject): void {
  const version = spec.versions.find(({ name }) => object.apiVersion === `${spec.group}/${name}`);
  if (version) applySchemaDefaults(object, schemaOfVersion(version));
}

function convertedObjects(
  response: unknown,
  { uid, subject, count }: { uid: string; subject: string; count: number },
): readonly unknown[] {
  if (!isObject(response)) throw failure(`${subject} failed: the response holds no review`);
  if (response.uid !== uid)
    throw failure(
      `${subject} failed: invalid response: expected uid "${uid}", got ${JSON.stringify(response.uid ?? '')}`,
    );
  const result = isObject(response.result) ? response.result : {};
  if (result.status !== 'Success')
    throw failure(
      typeof result.message === 'string' && result.message !== ''
        ? `${subject} failed: ${result.message}`
        : `${subject} failed: no message provided`,
    );
  const objects = Array.isArray(response.convertedObjects) ? response.convertedObjects : [];
  if (objects.length !== count)
    throw failure(`${subject} returned ${objects.length} objects, expected ${count}`);
  return objects;
}

/** What a webhook may not make of an object (source: apiextensions-apiserver, validateConvertedObject). */
function faultOf(
  converted: unknown,
  original: KubernetesObject,
  { apiVersion, index }: { apiVersion: string; index: number },
): string | undefined {
  const object = isObject(converted) ? converted : {};
  const where = `invalid converted object at index ${index}`;
  if (object.apiVersion !== apiVersion)
    return `${where}: invalid groupVersion (expected ${apiVersion}, received ${shown(object.apiVersion)})`;
  if (object.kind !== original.kind)
    return `${where}: invalid kind (expected ${original.kind}, received ${shown(object.kind)})`;
  if (!isObject(object.metadata)) return `invalid metadata in object at index ${index}: missing metadata`;
  for (const [field, title] of identity) {
    const before = original.metadata?.[field] ?? '';
    const after = object.metadata[field] ?? '';
    if (after !== before) return `${where}: must have the same ${title}: ${before} != ${shown(after)}`;
  }
  return undefined;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? '');
}

const identity = [
  ['name', 'name'],
  ['namespace', 'namespace'],
  ['uid', 'UID'],
] as const;

/** A webhook may change labels and annotations; the rest of the metadata stays, and unknown fields go. */
function tidied(
  spec: CustomResourceDefinitionSpec,
  object: KubernetesObject,
  { metadata }: KubernetesObject,
): KubernetesObject {
  const { labels: _labels, annotations: _annotations, ...kept } = metadata ?? {};
  const { labels, annotations } = object.metadata ?? {};
  object.metadata = {
    ...kept,
    ...(isTextMap(labels) ? { labels } : {}),
    ...(isTextMap(annotations) ? { annotations } : {}),
  };
  const version = spec.versions.find(({ name }) => object.apiVersion === `${spec.group}/${name}`);
  if (version) pruneObject(object, schemaOfVersion(version));
  return object;
}

function isTextMap(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((text) => typeof text === 'string');
}
