import type { Eviction } from '../../../protocol/generated/models.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { parseTyped } from '../request/body-object.ts';
import { deleteRequest } from '../request/delete-options.ts';
import { readBody } from '../request/request-body.ts';
import { sendCreatedStatus } from '../response/answer.ts';
import { admitPosted } from './admit-posted.ts';

export const evictionType = {
  group: 'policy',
  version: 'v1',
  apiVersion: 'policy/v1',
  kind: 'Eviction',
  schema: 'io.k8s.api.policy.v1.Eviction',
};

/** `POST pods/<name>/eviction` deletes the pod, as `kubectl drain` asks for; there are no disruption budgets yet. */
export async function evictPod(exchange: ResourceExchange): Promise<void> {
  const { services } = exchange;
  const value = parseTyped(services, await readBody(exchange), evictionType);
  const { object } = services.decoder.decodeAs(evictionType.schema, value, { fieldValidation: 'Ignore' });
  const eviction = object as Eviction;
  const options = deleteRequest(eviction.deleteOptions ?? {});
  await admitPosted(exchange, eviction, { dryRun: options.dryRun ?? false });
  await services.registry.delete(exchange.kind, objectName(exchange), options);
  await sendCreatedStatus(exchange);
}
