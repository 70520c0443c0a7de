import type { Clock } from '../../lib/clock.ts';
import type { LogsRequest } from '../../protocol/topics/streams.ts';
import type { StreamIo } from './device-stream.ts';
import type { FindContainer } from './run-command.ts';

export async function sendLogs(
  request: LogsRequest,
  { find, clock }: { find: FindContainer; clock: Clock },
  io: StreamIo,
): Promise<void> {
  const { driver, handle } = find(request);
  if (!driver.logs) throw new Error(`runtime ${driver.name} keeps no logs`);
  const { follow, tailLines, limitBytes, sinceSeconds, timestamps, stream } = request;
  const sinceMs = sinceSeconds === undefined ? request.sinceMs : clock.now() - sinceSeconds * 1000;
  io.ready();
  const options = { follow, tailLines, limitBytes, sinceMs, timestamps, stream };
  for await (const chunk of driver.logs(handle, options, io.signal)) await io.send('stdout', chunk);
}
