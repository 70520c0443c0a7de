import { StatusError } from '../../../../protocol/status.ts';
import type { ExecSession } from '../../../nodes/pod-streams.ts';
import type { ResourceExchange } from '../../exchange.ts';
import { keepAlive } from '../upgrade.ts';
import type { CommandClient, EndStatus, WantedStreams } from './command-client.ts';

/**
 * Carries a session between a client and a process until the process ends, the client leaves or the server stops. Neither
 * side is read faster than the other takes it.
 */
export async function carryCommand(
  exchange: ResourceExchange,
  client: CommandClient,
  session: ExecSession,
  { wanted, endOf }: { wanted: WantedStreams; endOf: (exitCode: number) => EndStatus },
): Promise<void> {
  const { abort, services } = exchange;
  services.longRunning.add(abort);
  client.onGone(() => abort.abort());
  abort.signal.addEventListener('abort', () => client.leave(), { once: true });
  if (services.stopping.aborted) abort.abort();
  using _alive = keepAlive({ clock: services.clock, socket: exchange.request.socket }, () => client.ping());
  client.onResize((columns, rows) => session.resize(columns, rows));
  void takeInput(client, session, abort.signal);
  try {
    for await (const { channel, data } of session.output())
      if (wanted[channel]) await client.send(channel, data);
    await client.finish(endOf(await session.exit));
  } catch (error) {
    if (abort.signal.aborted) return;
    services.log.warn('a session with a device broke', { error });
    await client.finish(brokenStatus(error)).catch(() => {});
  } finally {
    services.longRunning.delete(abort);
  }
}

/** The status of a command that ran, in the form that kubectl turns into its own exit code. */
export function exitStatus(exitCode: number): EndStatus {
  if (exitCode === 0) return succeeded();
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

/** How an attached container ended is the pod's to tell. */
export function succeeded(): EndStatus {
  return { metadata: {}, status: 'Success' };
}

function brokenStatus(error: unknown): EndStatus {
  if (error instanceof StatusError) return error.toStatus();
  return new StatusError('InternalError', 'the session with the device broke').toStatus();
}

/** A process that reads no more is no fault: its end, or the client's, ends the session. */
async function takeInput(client: CommandClient, session: ExecSession, signal: AbortSignal): Promise<void> {
  try {
    for await (const data of client.input()) await session.write(data);
    if (!signal.aborted) session.endStdin();
  } catch {
    return;
  }
}
