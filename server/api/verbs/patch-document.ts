import type { KindDefinition } from '../../../protocol/kinds/define-kind.ts';
import { applyJsonPatch } from '../../../protocol/patch/json-patch.ts';
import { applyMergePatch } from '../../../protocol/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '../../../protocol/patch/strategic-merge-patch.ts';
import { StatusError } from '../../../protocol/status.ts';
import type { ResourceExchange } from '../exchange.ts';
import { parseJson, type RequestBody, textOf, unsupportedMediaType } from '../request/request-body.ts';
import { applyMediaType } from './apply-document.ts';

/** A patch as it was sent; what it does to an object is `applyPatch`. */
export interface Patch {
  type: PatchType;
  document: unknown;
  text: string;
}

type PatchType = 'json' | 'merge' | 'strategic';

const patchTypes: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
};

const patchMediaTypes: readonly string[] = [...Object.keys(patchTypes), applyMediaType];

/** How lists merge is only known of the built-in kinds, and of Scale. */
export function patchMediaTypesOf(
  { custom }: Pick<KindDefinition, 'custom'>,
  subresource = '',
): readonly string[] {
  if (!custom || subresource === 'scale') return patchMediaTypes;
  return patchMediaTypes.filter((type) => patchTypes[type] !== 'strategic');
}

/** Reads a patch that is no apply. Throws UnsupportedMediaType and BadRequest. */
export function readPatch({ kind, info }: Pick<ResourceExchange, 'kind' | 'info'>, body: RequestBody): Patch {
  const { mediaType } = body;
  const supported = patchMediaTypesOf(kind, info.subresource);
  const type = supported.includes(mediaType) ? patchTypes[mediaType] : undefined;
  if (type === undefined) throw unsupportedMediaType(supported);
  const text = textOf(body);
  const document = parseJson(text);
  if (type === 'json' ? !Array.isArray(document) : !isObject(document))
    throw new StatusError(
      'BadRequest',
      `a ${mediaType} body must be ${type === 'json' ? 'an array' : 'an object'}`,
    );
  return { type, document, text };
}

/** The patched value; `current` stays as it is. `schema` tells a strategic patch how lists merge. */
export function applyPatch({ type, document }: Patch, current: object, schema: string): unknown {
  switch (type) {
    case 'json':
      return applyJsonPatch(current, document);
    case 'merge':
      return applyMergePatch(current, document);
    case 'strategic':
      return applyStrategicMergePatch(current, document, schema);
    default:
      return type satisfies never;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
