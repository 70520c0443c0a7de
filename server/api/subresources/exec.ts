import type { Pod } from '../../../protocol/generated/models.ts';
import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { StatusError } from '../../../protocol/status.ts';
import type { ExecRequest } from '../../../protocol/topics/streams.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { isTrue } from '../request/request-info.ts';
import { bridgeExec } from './exec-bridge.ts';
import { chooseContainer } from './pod-container.ts';
import { acceptWebSocket, isWebSocketUpgrade } from './web-socket.ts';

/**
 * `pods/<name>/exec` over a WebSocket. Everything that can be refused is refused before the upgrade, as a Status; a client
 * that falls back to SPDY after a refused WebSocket meets the same refusals and shows them.
 */
export async function execInPod(exchange: ResourceExchange): Promise<void> {
  const { services, query, abort } = exchange;
  const pod: Pod = await services.registry.get(podKind, objectName(exchange));
  const request = execRequest(query, pod);
  const node = pod.spec?.nodeName;
  if (!node)
    throw new StatusError('BadRequest', `pod ${pod.metadata?.name ?? ''} does not have a host assigned`);
  assertRunning(pod, request.container);
  services.podStreams.assertReachable(node);
  if (!isWebSocketUpgrade(exchange.request)) throw upgradeRequired(exchange);
  const session = await services.podStreams.exec(node, request, abort.signal);
  const socket = await acceptWebSocket(exchange);
  await bridgeExec(exchange, socket, session, {
    stdout: isTrue(query.get('stdout')),
    stderr: isTrue(query.get('stderr')) && !request.tty,
  });
}

/** As admission sees them. */
export function execOptions(query: URLSearchParams): KubernetesObject {
  const options = {
    apiVersion: 'v1',
    kind: 'PodExecOptions',
    stdin: isTrue(query.get('stdin')),
    stdout: isTrue(query.get('stdout')),
    stderr: isTrue(query.get('stderr')),
    tty: isTrue(query.get('tty')),
    container: query.get('container') ?? '',
    command: query.getAll('command'),
  };
  return options;
}

function execRequest(query: URLSearchParams, pod: Pod): ExecRequest {
  const container = chooseContainer(pod, query.get('container'));
  const command = query.getAll('command');
  if (command.length === 0)
    throw new StatusError('BadRequest', 'you must specify at least one command for the container');
  const stdin = isTrue(query.get('stdin'));
  if (!stdin && !isTrue(query.get('stdout')) && !isTrue(query.get('stderr')))
    throw new StatusError('BadRequest', 'you must specify at least one of stdin, stdout, stderr');
  return {
    type: 'exec',
    podUid: pod.metadata?.uid ?? '',
    container,
    command,
    stdin,
    tty: isTrue(query.get('tty')),
  };
}

/**
 * Refuses what the device has said does not run; where it has said nothing, it has the word when the session is
 * opened.
 */
function assertRunning({ metadata, status }: Pod, container: string): void {
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const state = statuses.find(({ name }) => name === container)?.state;
  if (!state || state.running) return;
  const reason = state.waiting?.reason ?? state.terminated?.reason ?? 'not started';
  throw new StatusError(
    'BadRequest',
    `container ${container} of pod ${metadata?.name ?? ''} is not running (${reason})`,
  );
}

function upgradeRequired({ request }: ResourceExchange): StatusError {
  const spdy = /spdy/i.test(request.headers.upgrade ?? '');
  return new StatusError(
    'BadRequest',
    spdy
      ? 'SPDY streams are not served yet: use a client that speaks WebSocket (kubectl 1.31 or later, or 1.29 with KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true)'
      : 'Upgrade request required',
  );
}
