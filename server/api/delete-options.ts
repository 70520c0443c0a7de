import { StatusError } from '../../protocol/status.ts';
import type { DeleteRequest } from '../registry/registry.ts';
import { invalidOption } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { parseBody, readBody } from './request-body.ts';
import { isTrue } from './request-info.ts';
import { readDryRun } from './write-options.ts';

/** DeleteOptions from the body, or from the query where there is no body. Throws BadRequest and Invalid. */
export async function readDeleteOptions({
  request,
  query,
}: Pick<Exchange, 'request' | 'query'>): Promise<DeleteRequest> {
  const body = await readBody(request);
  return body.text.trim() === '' ? deleteRequest(optionsOfQuery(query)) : readDeleteBody(parseBody(body));
}

/** A parsed DeleteOptions object. */
export function readDeleteBody(value: unknown): DeleteRequest {
  return deleteRequest(optionsOfBody(value));
}

type Options = Record<string, unknown>;

function optionsOfQuery(query: URLSearchParams): Options {
  const grace = query.get('gracePeriodSeconds');
  const orphan = query.get('orphanDependents');
  return {
    ...(grace === null ? {} : { gracePeriodSeconds: Number(grace) }),
    ...(orphan === null ? {} : { orphanDependents: isTrue(orphan) }),
    propagationPolicy: query.get('propagationPolicy') ?? undefined,
    dryRun: query.getAll('dryRun'),
  };
}

function optionsOfBody(body: unknown): Options {
  if (!isRecord(body)) throw new StatusError('BadRequest', 'the body is not DeleteOptions');
  if (body.kind !== undefined && body.kind !== 'DeleteOptions')
    throw new StatusError('BadRequest', `the body is a ${JSON.stringify(body.kind)}, want DeleteOptions`);
  return body;
}

function deleteRequest(options: Options): DeleteRequest {
  const grace = options.gracePeriodSeconds ?? undefined;
  if (grace !== undefined && (typeof grace !== 'number' || !Number.isSafeInteger(grace)))
    throw new StatusError('BadRequest', 'gracePeriodSeconds must be a whole number');
  const preconditions = readPreconditions(options.preconditions ?? undefined);
  const propagationPolicy = readPropagation(options);
  const dryRun = options.dryRun ?? [];
  return {
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace < 0 ? 1 : grace }),
    ...(propagationPolicy ? { propagationPolicy } : {}),
    ...(preconditions ? { preconditions } : {}),
    dryRun: readDryRun(Array.isArray(dryRun) ? dryRun : [dryRun], 'DeleteOptions'),
  };
}

function readPropagation({
  propagationPolicy,
  orphanDependents,
}: Options): DeleteRequest['propagationPolicy'] {
  const policy = propagationPolicy ?? undefined;
  if (policy === undefined || policy === '') {
    if (typeof orphanDependents !== 'boolean') return undefined;
    return orphanDependents ? 'Orphan' : 'Background';
  }
  if (typeof orphanDependents === 'boolean')
    throw invalidOption('DeleteOptions', {
      reason: 'FieldValueInvalid',
      field: 'propagationPolicy',
      message: `Invalid value: ${JSON.stringify(policy)}: orphanDependents and deletionPropagation cannot be both set`,
    });
  if (policy === 'Orphan' || policy === 'Background' || policy === 'Foreground') return policy;
  throw invalidOption('DeleteOptions', {
    reason: 'FieldValueNotSupported',
    field: 'propagationPolicy',
    message: `Unsupported value: ${JSON.stringify(policy)}: supported values: "Background", "Foreground", "Orphan"`,
  });
}

function readPreconditions(value: unknown): DeleteRequest['preconditions'] {
  if (value === undefined) return undefined;
  if (!isRecord(value)) throw new StatusError('BadRequest', 'preconditions must be an object');
  const { uid, resourceVersion } = value;
  return {
    ...(typeof uid === 'string' ? { uid } : {}),
    ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
