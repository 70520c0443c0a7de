import { sendKindObject } from './answer.ts';
import { checkPlace, decodeBody } from './body-object.ts';
import type { ResourceExchange } from './exchange.ts';
import { readBody } from './request-body.ts';
import { readWriteQuery } from './write-options.ts';

export async function createObject(exchange: ResourceExchange): Promise<void> {
  const { dryRun, fieldValidation } = readWriteQuery(exchange, 'CreateOptions');
  const object = decodeBody(exchange, await readBody(exchange.request), fieldValidation);
  checkPlace(exchange, object, { named: false });
  const created = await exchange.services.registry.create(exchange.kind, object, { dryRun });
  await sendKindObject(exchange, 201, created);
}

/** Replaces the object, or the part of it that `subresource` names. */
export async function updateObject(exchange: ResourceExchange): Promise<void> {
  const { dryRun, fieldValidation } = readWriteQuery(exchange, 'UpdateOptions');
  const object = decodeBody(exchange, await readBody(exchange.request), fieldValidation);
  checkPlace(exchange, object, { named: true });
  const { subresource = '' } = exchange.info;
  const updated = await exchange.services.registry.update(exchange.kind, object, { dryRun, subresource });
  await sendKindObject(exchange, 200, updated);
}
