import type { ResourceExchange } from '../exchange.ts';
import { checkPlace, decodeBody } from '../request/body-object.ts';
import { readBody } from '../request/request-body.ts';
import { readWriteQuery } from '../request/write-options.ts';
import { sendKindObject } from '../response/answer.ts';

export async function createObject(exchange: ResourceExchange): Promise<void> {
  const { fieldValidation, ...options } = readWriteQuery(exchange, 'CreateOptions');
  const object = decodeBody(exchange, await readBody(exchange), fieldValidation);
  checkPlace(exchange, object, { named: false });
  const created = await exchange.services.registry.create(exchange.kind, object, {
    ...options,
    user: exchange.user,
  });
  await sendKindObject(exchange, 201, created);
}

/** Replaces the object, or the part of it that `subresource` names. */
export async function updateObject(exchange: ResourceExchange): Promise<void> {
  const { fieldValidation, ...options } = readWriteQuery(exchange, 'UpdateOptions');
  const object = decodeBody(exchange, await readBody(exchange), fieldValidation);
  checkPlace(exchange, object, { named: true });
  const { subresource = '' } = exchange.info;
  const updated = await exchange.services.registry.update(exchange.kind, object, { ...options, subresource });
  await sendKindObject(exchange, 200, updated);
}
