import type { Binding } from '../../../protocol/generated/models.ts';
import { StatusError } from '../../../protocol/status.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { checkPlace, parseTyped } from '../request/body-object.ts';
import { readBody } from '../request/request-body.ts';
import { readWriteQuery } from '../request/write-options.ts';
import { sendCreatedStatus } from '../response/answer.ts';

export const bindingType = {
  group: '',
  version: 'v1',
  apiVersion: 'v1',
  kind: 'Binding',
  schema: 'io.k8s.api.core.v1.Binding',
};

/** `POST pods/<name>/binding`: gives an unbound pod to a node, as a scheduler does. */
export async function bindPod(exchange: ResourceExchange): Promise<void> {
  const { services, kind } = exchange;
  const { dryRun, fieldValidation } = readWriteQuery(exchange, 'CreateOptions');
  const value = parseTyped(services, await readBody(exchange), bindingType);
  const { object } = services.decoder.decodeAs(bindingType.schema, value, { fieldValidation });
  const binding = object as Binding;
  checkPlace(exchange, binding, { named: true });
  const { target, metadata } = binding;
  if (!target?.name || (target.kind && target.kind !== 'Node'))
    throw new StatusError('BadRequest', 'target must name a Node');
  const at = objectName(exchange);
  const pod = await services.registry.get(kind, at);
  await services.registry.bind(at, metadata?.uid || pod.metadata?.uid || '', target.name, { dryRun });
  await sendCreatedStatus(exchange);
}
