import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { FieldValidation } from '../../../protocol/schema/decode-object.ts';
import { StatusError } from '../../../protocol/status.ts';
import { conflict, modifiedMeanwhile } from '../../registry/failures.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { checkPlace } from '../request/body-object.ts';
import { refuseForce } from '../request/field-manager.ts';
import { readBody } from '../request/request-body.ts';
import { readWriteQuery } from '../request/write-options.ts';
import { addWarning, sendKindObject } from '../response/answer.ts';
import { withTypeMeta } from '../response/type-meta.ts';
import { applyObject } from './apply.ts';
import { applyMediaType } from './apply-document.ts';
import { applyPatch, type Patch, readPatch } from './patch-document.ts';

/**
 * Applies a configuration, or a merge, JSON or strategic merge patch to the object, or to the part of it that
 * `subresource` names.
 */
export async function patchObject(exchange: ResourceExchange): Promise<void> {
  const { kind, services, info } = exchange;
  const body = await readBody(exchange);
  if (body.mediaType === applyMediaType) return applyObject(exchange, body);
  refuseForce(exchange);
  const { fieldValidation, ...options } = readWriteQuery(exchange, 'PatchOptions');
  const patch = readPatch(exchange, body);
  let warnings: readonly string[] = [];
  const patched = await services.registry.mutate(
    kind,
    objectName(exchange),
    (draft) => {
      const value = applyPatch(patch, withTypeMeta(kind, draft), kind.schema);
      const decoded = decodePatched(exchange, { patch, value, fieldValidation });
      ({ warnings } = decoded);
      checkPlace(exchange, decoded.object, { named: true });
      checkVersion(kind, decoded.object, draft);
      replaceContent(draft, decoded.object);
    },
    { ...options, subresource: info.subresource ?? '' },
  );
  for (const warning of warnings) addWarning(exchange, warning);
  await sendKindObject(exchange, 200, patched);
}

interface PatchedValue {
  patch: Patch;
  value: unknown;
  fieldValidation: FieldValidation;
}

function decodePatched(
  { kind, services }: ResourceExchange,
  { patch, value, fieldValidation }: PatchedValue,
) {
  const strict = fieldValidation === 'Strict';
  const { object, warnings } = services.decoder.decode(kind, value, {
    fieldValidation: strict ? 'Warn' : fieldValidation,
  });
  if (strict && warnings.length > 0)
    throw invalidPatch(patch, `strict decoding error: ${warnings.join(', ')}`);
  return { object, warnings };
}

/** In Kubernetes' form: an Invalid about no object, with the patch itself as the refused value. */
function invalidPatch({ text }: Patch, why: string): StatusError {
  const message = `Invalid value: ${JSON.stringify(text.slice(0, shownPatchCharacters))}: ${why}`;
  return new StatusError('Invalid', ` "" is invalid: patch: ${message}`, {
    details: { causes: [{ reason: 'FieldValueInvalid', message, field: 'patch' }] },
  });
}

const shownPatchCharacters = 1024;

/** A patch that sets resourceVersion is meant for that version alone. */
function checkVersion(kind: KindDefinition, patched: KubernetesObject, current: KubernetesObject): void {
  const wanted = patched.metadata?.resourceVersion;
  if (wanted && wanted !== current.metadata?.resourceVersion)
    throw conflict(kind, current.metadata?.name ?? '', modifiedMeanwhile);
}

function replaceContent(draft: KubernetesObject, content: KubernetesObject): void {
  for (const key of Object.keys(draft)) delete draft[key as keyof KubernetesObject];
  Object.assign(draft, content);
}
