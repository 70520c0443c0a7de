import type { Pod } from '../../../protocol/generated/models.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { LogsRequest } from '../../../protocol/topics/streams.ts';
import { badRequest } from '../../registry/failures.ts';
import { apiLimits } from '../api-limits.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { isTrue } from '../request/request-info.ts';
import { ResponseWriter } from '../response/response-writer.ts';
import { logBounds } from './log-bounds.ts';
import { chooseContainer } from './pod-container.ts';

/** `GET pods/<name>/log`: a container's output as plain text, no faster than the client reads. */
export async function readLog(exchange: ResourceExchange): Promise<void> {
  const { services, abort } = exchange;
  const pod: Pod = await services.registry.get(podKind, objectName(exchange));
  const request = logsRequest(exchange, pod);
  const writer = new ResponseWriter(exchange);
  const open = () => writer.open(200, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-cache, private' });
  const node = pod.spec?.nodeName;
  if (!node) {
    open();
    return writer.end();
  }
  await copyLog(services.podStreams.logs(node, request, abort.signal));

  async function copyLog(log: AsyncIterable<Uint8Array>): Promise<void> {
    const chunks = log[Symbol.asyncIterator]();
    let opened = false;
    const openOnce = () => {
      if (!opened) open();
      opened = true;
    };
    const timer = services.clock.after(apiLimits.logSilenceMs, openOnce);
    try {
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
        openOnce();
        if (exchange.response.destroyed) break;
        await writer.write(next.value, { stalledMs: apiLimits.stalledLogMs });
      }
    } catch (error) {
      if (!opened && !abort.signal.aborted) throw refusal(error, pod, request.container);
      if (!abort.signal.aborted) exchange.response.destroy();
    } finally {
      timer.cancel();
      await chunks.return?.();
    }
    openOnce();
    writer.end();
  }
}

/** The device may not have heard of a pod yet that was bound to it a moment ago. */
function refusal(error: unknown, { metadata, status }: Pod, container: string): unknown {
  const isNew = (status?.phase ?? 'Pending') === 'Pending';
  if (!isNew || !isStatus(error, 'NotFound')) return error;
  const pod = metadata?.name ?? '';
  return badRequest(`container "${container}" in pod "${pod}" is waiting to start: ContainerCreating`);
}

function logsRequest({ query }: ResourceExchange, pod: Pod): LogsRequest {
  const flag = (name: string) => isTrue(query.get(name));
  return {
    type: 'logs',
    podUid: pod.metadata?.uid ?? '',
    container: chooseContainer(pod, query.get('container')),
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    ...logBounds(query, pod.metadata?.name ?? ''),
  };
}
