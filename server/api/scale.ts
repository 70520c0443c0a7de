import type { KindDefinition, KubernetesObject, ScaleAccess } from '../../protocol/kinds/define-kind.ts';
import { StatusError } from '../../protocol/status.ts';
import { conflict, modifiedMeanwhile } from '../registry/failures.ts';
import { sendPlain } from './answer.ts';
import { objectName, type ResourceExchange } from './exchange.ts';
import { applyPatch, readPatch } from './patch-document.ts';
import { parseBody, readBody } from './request-body.ts';
import { pathNotFound } from './request-info.ts';
import { readWriteQuery } from './write-options.ts';

export const scaleKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
const scaleSchema = 'io.k8s.api.autoscaling.v1.Scale';

/** `…/scale`: an object's replica count in a form that is the same for all kinds. */
export async function getScale(exchange: ResourceExchange): Promise<void> {
  const object = await exchange.services.registry.get(exchange.kind, objectName(exchange));
  await sendPlain(exchange, 200, scaleOf(exchange.kind, object));
}

export async function updateScale(exchange: ResourceExchange): Promise<void> {
  const { dryRun } = readWriteQuery(exchange, 'UpdateOptions');
  const wanted = parseBody(await readBody(exchange.request));
  await setScale(exchange, dryRun, () => wanted);
}

export async function patchScale(exchange: ResourceExchange): Promise<void> {
  const { dryRun } = readWriteQuery(exchange, 'PatchOptions');
  const patch = await readPatch(exchange);
  await setScale(exchange, dryRun, (current) => applyPatch(patch, current, scaleSchema));
}

async function setScale(
  exchange: ResourceExchange,
  dryRun: boolean,
  next: (current: object) => unknown,
): Promise<void> {
  const { kind, services } = exchange;
  const access = accessOf(kind);
  const changed = await services.registry.mutate(
    kind,
    objectName(exchange),
    (draft) => {
      const current = scaleOf(kind, draft);
      const { replicas, resourceVersion } = readScale(next(current));
      if (resourceVersion !== undefined && resourceVersion !== draft.metadata?.resourceVersion)
        throw conflict(kind, draft.metadata?.name ?? '', modifiedMeanwhile);
      access.setReplicas(draft, replicas);
    },
    { dryRun },
  );
  await sendPlain(exchange, 200, scaleOf(kind, changed));
}

function readScale(value: unknown): { replicas: number; resourceVersion: string | undefined } {
  const { spec, metadata } = (value ?? {}) as {
    spec?: { replicas?: unknown };
    metadata?: { resourceVersion?: unknown };
  };
  const replicas = spec?.replicas ?? 0;
  if (typeof replicas !== 'number' || !Number.isInteger(replicas))
    throw new StatusError(
      'BadRequest',
      'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal spec.replicas into an int32',
    );
  if (replicas < 0)
    throw new StatusError(
      'Invalid',
      `Scale.autoscaling "" is invalid: spec.replicas: Invalid value: ${replicas}: must be greater than or equal to 0`,
      {
        details: {
          group: 'autoscaling',
          kind: 'Scale',
          causes: [
            {
              reason: 'FieldValueInvalid',
              field: 'spec.replicas',
              message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
            },
          ],
        },
      },
    );
  const version = metadata?.resourceVersion;
  return { replicas, resourceVersion: typeof version === 'string' && version !== '' ? version : undefined };
}

function scaleOf(kind: KindDefinition, object: KubernetesObject) {
  const access = accessOf(kind);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {};
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: access.replicas(object) },
    status: { replicas: access.statusReplicas(object), selector: access.selector(object) },
  };
}

function accessOf({ scale }: KindDefinition): ScaleAccess<KubernetesObject> {
  if (!scale) throw pathNotFound();
  return scale;
}
