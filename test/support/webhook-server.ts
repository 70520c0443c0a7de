import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createTestAuthority } from '../unit/server/api/test-certificates.ts';

export interface WebhookServer {
  /** `https://127.0.0.1:<port>`, for which its certificate is, too. */
  url: string;
  caBundle: string;
  stop(): void;
}

/** A webhook over real HTTPS in this process; `answer` gets what was posted, parsed, and the path with its query. */
export async function startWebhook(
  answer: (body: unknown, path: string) => object | Promise<object>,
): Promise<WebhookServer> {
  const authority = await createTestAuthority();
  const { key, certificate: cert } = authority.server;
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
    response.end(JSON.stringify(await answer(body, request.url ?? '')));
  }
  const server = createServer({ key, cert }, (request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    caBundle: Buffer.from(authority.ca).toString('base64'),
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
