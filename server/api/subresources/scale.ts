import type { Scale } from '../../../protocol/generated/models.ts';
import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
  type ScaleAccess,
} from '../../../protocol/kinds/define-kind.ts';
import { scaleOf, scaleType } from '../../../protocol/kinds/scale.ts';
import { StatusError } from '../../../protocol/status.ts';
import { conflict, modifiedMeanwhile } from '../../registry/failures.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { parseTyped } from '../request/body-object.ts';
import { readApplier, refuseForce } from '../request/field-manager.ts';
import { type RequestBody, readBody } from '../request/request-body.ts';
import { pathNotFound } from '../request/request-info.ts';
import { readWriteQuery, type WriteQuery } from '../request/write-options.ts';
import { sendPlain } from '../response/answer.ts';
import { writeConfiguration } from '../verbs/apply.ts';
import { applyMediaType, checkType, parseConfiguration } from '../verbs/apply-document.ts';
import { applyPatch, readPatch } from '../verbs/patch-document.ts';

/** `…/scale`: an object's replica count in a form that is the same for all kinds. */
export async function getScale(exchange: ResourceExchange): Promise<void> {
  const object = await exchange.services.registry.get(exchange.kind, objectName(exchange));
  await sendPlain(exchange, 200, scaleOf(accessOf(exchange.kind), object));
}

export async function updateScale(exchange: ResourceExchange): Promise<void> {
  const options = readWriteQuery(exchange, 'UpdateOptions');
  const wanted = parseTyped(exchange.services, await readBody(exchange), scaleType);
  await setScale(exchange, options, () => wanted);
}

export async function patchScale(exchange: ResourceExchange): Promise<void> {
  const options = readWriteQuery(exchange, 'PatchOptions');
  const body = await readBody(exchange);
  if (body.mediaType === applyMediaType) return applyScale(exchange, body, options);
  refuseForce(exchange);
  const patch = readPatch(exchange, body);
  await setScale(exchange, options, (current) => applyPatch(patch, current, scaleType.schema));
}

/** Applies the replica count to the object behind the scale. */
async function applyScale(
  exchange: ResourceExchange,
  body: RequestBody,
  { dryRun, fieldValidation }: WriteQuery,
): Promise<void> {
  const { kind, info } = exchange;
  const applier = readApplier(exchange);
  const wanted = parseConfiguration(exchange, body, fieldValidation);
  checkType(scaleType, wanted);
  const { replicas, resourceVersion } = readScale(exchange, wanted);
  const { name = '', namespace } = info;
  const config = {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    spec: {},
  };
  if (saysReplicas(wanted)) accessOf(kind).setReplicas(config, replicas);
  const { code, object } = await writeConfiguration(exchange, config, { ...applier, dryRun });
  await sendPlain(exchange, code, scaleOf(accessOf(kind), object));
}

function saysReplicas({ spec }: Record<string, unknown>): boolean {
  return typeof spec === 'object' && spec !== null && 'replicas' in spec;
}

async function setScale(
  exchange: ResourceExchange,
  { dryRun, fieldManager }: WriteQuery,
  next: (current: object) => unknown,
): Promise<void> {
  const { kind, services } = exchange;
  const access = accessOf(kind);
  const changed = await services.registry.mutate(
    kind,
    objectName(exchange),
    (draft) => {
      const current = scaleOf(access, draft);
      const { replicas, resourceVersion } = readScale(exchange, next(current));
      if (resourceVersion !== undefined && resourceVersion !== draft.metadata?.resourceVersion)
        throw conflict(kind, draft.metadata?.name ?? '', modifiedMeanwhile);
      access.setReplicas(draft, replicas);
    },
    { dryRun, fieldManager, subresource: 'scale' },
  );
  await sendPlain(exchange, 200, scaleOf(access, changed));
}

function readScale({ services }: ResourceExchange, value: unknown) {
  const { object } = services.decoder.decodeAs(scaleType.schema, value, { fieldValidation: 'Ignore' });
  const { spec, metadata } = object as Scale;
  const replicas = spec?.replicas ?? 0;
  if (replicas >= 0) return { replicas, resourceVersion: metadata?.resourceVersion || undefined };
  const message = `Invalid value: ${replicas}: must be greater than or equal to 0`;
  const { group, kind } = scaleType;
  const name = metadata?.name ?? '';
  throw new StatusError(
    'Invalid',
    `${kind}.${group} ${JSON.stringify(name)} is invalid: spec.replicas: ${message}`,
    {
      details: {
        name,
        group,
        kind,
        causes: [{ reason: 'FieldValueInvalid', field: 'spec.replicas', message }],
      },
    },
  );
}

function accessOf({ scale }: KindDefinition): ScaleAccess<KubernetesObject> {
  if (!scale) throw pathNotFound();
  return scale;
}
