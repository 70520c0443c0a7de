import { objectName, type ResourceExchange } from '../exchange.ts';
import { sendKindObject } from '../response/answer.ts';

/** Answers with one object; also for `…/status`, which reads as the object itself. */
export async function getObject(exchange: ResourceExchange): Promise<void> {
  const object = await exchange.services.registry.get(exchange.kind, objectName(exchange));
  await sendKindObject(exchange, 200, object);
}
