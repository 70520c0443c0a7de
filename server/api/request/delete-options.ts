import type { DeleteOptions } from '../../../protocol/generated/models.ts';
import { StatusError } from '../../../protocol/status.ts';
import type { DeleteRequest } from '../../registry/registry.ts';
import type { Exchange } from '../exchange.ts';
import { invalidOption } from '../response/errors.ts';
import { parseObject } from './body-object.ts';
import { readBody } from './request-body.ts';
import { isTrue } from './request-info.ts';
import { readDryRun } from './write-options.ts';

/** DeleteOptions from the body, or from the query where there is no body. Throws BadRequest and Invalid. */
export async function readDeleteOptions(exchange: Exchange): Promise<DeleteRequest> {
  const { query, services } = exchange;
  const body = await readBody(exchange);
  if (body.bytes.length === 0) return deleteRequest(optionsOfQuery(query));
  const value = parseObject(services, body, deleteOptionsType);
  if (value.kind && value.kind !== 'DeleteOptions')
    throw new StatusError('BadRequest', `the body is a ${JSON.stringify(value.kind)}, want DeleteOptions`);
  const { object } = services.decoder.decodeAs(deleteOptionsType.schema, value, {
    fieldValidation: 'Ignore',
  });
  return deleteRequest(object as DeleteOptions);
}

const deleteOptionsType = {
  kind: 'DeleteOptions',
  schema: 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
};

function optionsOfQuery(query: URLSearchParams): DeleteOptions {
  const grace = query.get('gracePeriodSeconds');
  const orphan = query.get('orphanDependents');
  const propagation = query.get('propagationPolicy');
  return {
    ...(grace === null ? {} : { gracePeriodSeconds: Number(grace) }),
    ...(orphan === null ? {} : { orphanDependents: isTrue(orphan) }),
    ...(propagation === null ? {} : { propagationPolicy: propagation }),
    dryRun: query.getAll('dryRun'),
  };
}

/** Throws BadRequest and Invalid. */
export function deleteRequest(options: DeleteOptions): DeleteRequest {
  const { gracePeriodSeconds: grace, preconditions, dryRun } = options;
  if (grace !== undefined && !Number.isSafeInteger(grace))
    throw new StatusError('BadRequest', 'gracePeriodSeconds must be a whole number');
  const propagationPolicy = readPropagation(options);
  return {
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace < 0 ? 1 : grace }),
    ...(propagationPolicy ? { propagationPolicy } : {}),
    ...(preconditions ? { preconditions } : {}),
    dryRun: readDryRun(dryRun ?? [], 'DeleteOptions'),
  };
}

function readPropagation({
  propagationPolicy: policy = '',
  orphanDependents,
}: DeleteOptions): DeleteRequest['propagationPolicy'] {
  if (policy === '') {
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
