import { nodeKind } from '../../../../protocol/kinds/node.ts';
import { StatusError } from '../../../../protocol/status.ts';
import type { ResourceExchange } from '../../exchange.ts';
import { methodNotAllowed } from '../../request/request-info.ts';
import { ResponseWriter } from '../../response/response-writer.ts';
import { parseProxyName } from './proxy-name.ts';

/** Where a kubelet listens; clients name it, or no port. */
const agentPort = '10250';

/** `nodes/<name>/proxy/…`: what the device tells about itself. Nothing listens there: it is asked over the bus. */
export async function proxyNode(exchange: ResourceExchange): Promise<void> {
  const { info, services } = exchange;
  const { name, port } = parseProxyName(info.name ?? '');
  await services.registry.get(nodeKind, { name });
  if (port !== '' && port !== agentPort)
    throw new StatusError('BadRequest', `node ${name} answers on port ${agentPort} only, not on ${port}`);
  await answerByAgent(exchange, name);
}

async function answerByAgent(exchange: ResourceExchange, node: string): Promise<void> {
  const { request, services, info, query, abort } = exchange;
  if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed();
  const asked = { type: 'endpoint', path: info.rest || '/', query: query.toString() } as const;
  const answer = await services.podStreams.endpoint(node, asked, abort.signal);
  const writer = new ResponseWriter(exchange);
  writer.open(answer.status, { 'Content-Type': answer.contentType, 'X-Content-Type-Options': 'nosniff' });
  try {
    for await (const chunk of answer.body) await writer.write(chunk);
    writer.end();
  } catch (error) {
    services.log.debug('an answer of a device broke off', { node, error });
    exchange.response.destroy();
  }
}
