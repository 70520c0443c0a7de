import { StatusError } from '../../protocol/status.ts';
import { sendPlain, successStatus } from './answer.ts';
import { readDeleteBody } from './delete-options.ts';
import { objectName, type ResourceExchange } from './exchange.ts';
import { parseBody, readBody } from './request-body.ts';

/** `POST pods/<name>/eviction` deletes the pod, as `kubectl drain` asks for; there are no disruption budgets yet. */
export async function evictPod(exchange: ResourceExchange): Promise<void> {
  const eviction = parseBody(await readBody(exchange.request));
  if (typeof eviction !== 'object' || eviction === null)
    throw new StatusError('BadRequest', 'the body is not an Eviction');
  const options = readDeleteBody((eviction as { deleteOptions?: unknown }).deleteOptions ?? {});
  await exchange.services.registry.delete(exchange.kind, objectName(exchange), options);
  await sendPlain(exchange, 201, { ...successStatus({}), details: undefined, code: 201 });
}
