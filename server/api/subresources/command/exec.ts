import type { Pod } from '../../../../protocol/generated/models.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { StatusError } from '../../../../protocol/status.ts';
import type { AttachRequest, ExecRequest } from '../../../../protocol/topics/streams.ts';
import { objectName, type ResourceExchange } from '../../exchange.ts';
import { isTrue } from '../../request/request-info.ts';
import { chooseContainer } from '../pod-container.ts';
import { assignedNode } from '../pod-node.ts';
import { upgradeOf } from '../upgrade.ts';
import { carryCommand, exitStatus, succeeded } from './carry-command.ts';
import type { EndStatus, WantedStreams } from './command-client.ts';
import { acceptSpdyClient } from './spdy-client.ts';
import { acceptWebSocketClient } from './web-socket-client.ts';

/** `pods/<name>/exec`: runs a command in a container. */
export async function execInPod(exchange: ResourceExchange): Promise<void> {
  const { query } = exchange;
  const pod = await getPod(exchange);
  const container = chooseContainer(pod, query.get('container'));
  const command = query.getAll('command');
  if (command.length === 0)
    throw new StatusError('BadRequest', 'you must specify at least one command for the container');
  const wanted = wantedStreams(query);
  const { stdin, tty } = wanted;
  const podUid = pod.metadata?.uid ?? '';
  const request: ExecRequest = { type: 'exec', podUid, container, command, stdin, tty };
  await connect(exchange, { pod, request, wanted, endOf: exitStatus });
}

/** `pods/<name>/attach`: connects to what a container runs already. */
export async function attachToPod(exchange: ResourceExchange): Promise<void> {
  const pod = await getPod(exchange);
  const container = chooseContainer(pod, exchange.query.get('container'));
  const wanted = wantedStreams(exchange.query);
  const { stdin, tty } = wanted;
  const podUid = pod.metadata?.uid ?? '';
  const request: AttachRequest = { type: 'attach', podUid, container, stdin, tty };
  await connect(exchange, { pod, request, wanted, endOf: succeeded });
}

interface Connecting {
  pod: Pod;
  request: ExecRequest | AttachRequest;
  wanted: WantedStreams;
  endOf: (exitCode: number) => EndStatus;
}

/**
 * Everything that can be refused is refused before the upgrade, as a Status; a client that falls back to SPDY after a
 * refused WebSocket meets the same refusals and shows them.
 */
async function connect(
  exchange: ResourceExchange,
  { pod, request, wanted, endOf }: Connecting,
): Promise<void> {
  const { services, abort } = exchange;
  const node = assignedNode(pod);
  assertRunning(pod, request.container);
  services.podStreams.assertReachable(node);
  const protocol = upgradeOf(exchange.request);
  if (!protocol) throw new StatusError('BadRequest', 'Upgrade request required');
  const session = await services.podStreams.command(node, request, abort.signal);
  const accept = protocol === 'spdy' ? acceptSpdyClient : acceptWebSocketClient;
  const client = await accept(exchange, wanted).catch((error: unknown) => {
    abort.abort();
    // After the upgrade there is nobody left to tell.
    if (error instanceof StatusError) throw error;
    services.log.info('a client left while its session began', { error });
  });
  if (client) await carryCommand(exchange, client, session, { wanted, endOf });
}

function getPod(exchange: ResourceExchange): Promise<Pod> {
  return exchange.services.registry.get(podKind, objectName(exchange));
}

/** A terminal has one output for both. */
function wantedStreams(query: URLSearchParams): WantedStreams {
  const asked = (name: string) => isTrue(query.get(name));
  const tty = asked('tty');
  if (!asked('stdin') && !asked('stdout') && !asked('stderr'))
    throw new StatusError('BadRequest', 'you must specify at least one of stdin, stdout, stderr');
  return { tty, stdin: asked('stdin'), stdout: asked('stdout'), stderr: asked('stderr') && !tty };
}

/**
 * Refuses what the device has said does not run; where it has said nothing, it has the word when the session is
 * opened.
 */
function assertRunning({ metadata, status }: Pod, container: string): void {
  const statuses = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ];
  const state = statuses.find(({ name }) => name === container)?.state;
  if (!state || state.running) return;
  const reason = state.waiting?.reason ?? state.terminated?.reason ?? 'not started';
  throw new StatusError(
    'BadRequest',
    `container ${container} of pod ${metadata?.name ?? ''} is not running (${reason})`,
  );
}
