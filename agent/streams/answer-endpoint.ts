import type { EndpointRequest } from '../../protocol/topics/streams.ts';
import type { StreamIo } from './device-stream.ts';
import type { NodeAnswer, NodeEndpoints } from './node-endpoints.ts';

export async function answerEndpoint(
  request: EndpointRequest,
  endpoints: NodeEndpoints,
  io: StreamIo,
): Promise<void> {
  const query = new URLSearchParams(request.query);
  const answer = await endpoints.answer({ path: request.path, query, signal: io.signal });
  const { status = 200, contentType = 'text/plain; charset=utf-8' } = answer;
  io.ready({ status, contentType });
  for await (const chunk of chunksOf(answer)) await io.send('stdout', chunk);
}

async function* chunksOf({ body }: NodeAnswer): AsyncGenerator<Uint8Array> {
  if (typeof body === 'string') yield Buffer.from(body);
  else if (body instanceof Uint8Array) yield body;
  else yield* body;
}
