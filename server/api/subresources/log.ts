import type { Pod } from '../../../protocol/generated/models.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { StatusError } from '../../../protocol/status.ts';
import type { LogsRequest } from '../../../protocol/topics/streams.ts';
import { apiLimits } from '../api-limits.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { readCount } from '../request/list-options.ts';
import { isTrue } from '../request/request-info.ts';
import { ResponseWriter } from '../response/response-writer.ts';
import { chooseContainer } from './pod-container.ts';

/** `GET pods/<name>/log`: a container's output as plain text, no faster than the client reads. */
export async function readLog(exchange: ResourceExchange): Promise<void> {
  const { services, abort } = exchange;
  const pod: Pod = await services.registry.get(podKind, objectName(exchange));
  const request = logsRequest(exchange, pod);
  const node = pod.spec?.nodeName;
  const writer = new ResponseWriter(exchange);
  const open = () => writer.open(200, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-cache, private' });
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
        await writer.write(next.value, { stalledMs: Infinity });
      }
    } catch (error) {
      if (!opened && !abort.signal.aborted) throw error;
      if (!abort.signal.aborted) exchange.response.destroy();
    } finally {
      timer.cancel();
      await chunks.return?.();
    }
    openOnce();
    writer.end();
  }
}

function logsRequest({ query, services }: ResourceExchange, pod: Pod): LogsRequest {
  const counts = {
    tailLines: readCount(query, 'tailLines'),
    limitBytes: readCount(query, 'limitBytes'),
    sinceSeconds: sinceSeconds(query, services.clock.now()),
  };
  return {
    type: 'logs',
    podUid: pod.metadata?.uid ?? '',
    container: chooseContainer(pod, query.get('container')),
    follow: isTrue(query.get('follow')),
    previous: isTrue(query.get('previous')),
    timestamps: isTrue(query.get('timestamps')),
    ...(counts.tailLines === undefined ? {} : { tailLines: counts.tailLines }),
    ...(counts.limitBytes === undefined ? {} : { limitBytes: counts.limitBytes }),
    ...(counts.sinceSeconds === undefined ? {} : { sinceSeconds: counts.sinceSeconds }),
  };
}

/** The device's clock may be far off, so a moment is sent as the time since. */
function sinceSeconds(query: URLSearchParams, nowMs: number): number | undefined {
  const moment = query.get('sinceTime') ?? '';
  const seconds = readCount(query, 'sinceSeconds');
  if (moment === '') return seconds;
  if (seconds !== undefined)
    throw new StatusError('BadRequest', 'at most one of `sinceTime` or `sinceSeconds` may be specified');
  const sinceMs = Date.parse(moment);
  if (Number.isNaN(sinceMs))
    throw new StatusError('BadRequest', `sinceTime: Invalid value: ${JSON.stringify(moment)}`);
  return Math.max(0, Math.ceil((nowMs - sinceMs) / 1000));
}
