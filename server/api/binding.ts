import { StatusError } from '../../protocol/status.ts';
import { sendPlain, successStatus } from './answer.ts';
import { objectName, type ResourceExchange } from './exchange.ts';
import { parseBody, readBody } from './request-body.ts';
import { readWriteQuery } from './write-options.ts';

interface Binding {
  metadata?: { name?: string; uid?: string };
  target?: { kind?: string; name?: string };
}

/** `POST pods/<name>/binding`: gives an unbound pod to a node, as a scheduler does. */
export async function bindPod(exchange: ResourceExchange): Promise<void> {
  const { services, kind } = exchange;
  const { dryRun } = readWriteQuery(exchange, 'CreateOptions');
  const { metadata, target } = (parseBody(await readBody(exchange.request)) ?? {}) as Binding;
  const at = objectName(exchange);
  if (metadata?.name && metadata.name !== at.name)
    throw new StatusError(
      'BadRequest',
      `the name of the object (${metadata.name}) does not match the name on the URL (${at.name})`,
    );
  if (typeof target?.name !== 'string' || target.name === '' || (target.kind && target.kind !== 'Node'))
    throw new StatusError('BadRequest', 'target must name a Node');
  const pod = await services.registry.get(kind, at);
  const uid = metadata?.uid || pod.metadata?.uid || '';
  if (!dryRun) await services.registry.bind(at, uid, target.name);
  await sendPlain(exchange, 201, { ...successStatus({}), details: undefined, code: 201 });
}
