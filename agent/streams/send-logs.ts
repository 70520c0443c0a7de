import type { LogsRequest } from '../../protocol/topics/streams.ts';
import type { StreamIo } from './device-stream.ts';
import type { FindContainer } from './run-command.ts';

export async function sendLogs(request: LogsRequest, find: FindContainer, io: StreamIo): Promise<void> {
  const { driver, handle } = find(request);
  if (!driver.logs) throw new Error(`runtime ${driver.name} keeps no logs`);
  const { follow, tailLines, limitBytes, sinceSeconds, timestamps } = request;
  io.ready();
  const options = { follow, tailLines, limitBytes, sinceSeconds, timestamps };
  for await (const chunk of driver.logs(handle, options, io.signal)) await io.send('stdout', chunk);
}
