import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../../../lib/clock.ts';
import {
  createHttpsClient,
  type HttpsAnswer,
  type HttpsCall,
  HttpsCallError,
} from '../../../../server/outgoing/https-client.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { createTestAuthority, type TestAuthority } from '../api/test-certificates.ts';

describe('calls to other servers', () => {
  let authority: TestAuthority;
  before(async () => {
    authority = await createTestAuthority();
  });

  const stops: (() => void)[] = [];
  after(() => stops.forEach((stop) => stop()));

  /** A server on a free port; returns that. */
  async function listen(answer: RequestListener): Promise<number> {
    const server = createServer({ key: authority.server.key, cert: authority.server.certificate }, answer);
    stops.push(() => {
      server.closeAllConnections();
      server.close();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  function callOf(port: number, rest: Partial<HttpsCall> = {}): HttpsCall {
    const caBundle = Buffer.from(authority.ca).toString('base64');
    return {
      target: { host: '127.0.0.1', port, serverName: 'localhost', caBundle },
      method: 'POST',
      url: `https://web.shop.svc:${port}/here?a=b`,
      body: Buffer.from('{}'),
      timeoutMs: 10_000,
      answerBytesMax: 1000,
      ...rest,
    };
  }

  async function failure(answer: Promise<HttpsAnswer>) {
    const error: unknown = await answer.then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.ok(error instanceof HttpsCallError);
    return { code: error.code, message: error.message.replaceAll(/:\d{4,5}/g, ':PORT') };
  }

  test('a slow server holds up its own calls, and no others', async () => {
    const clock = new ManualClock();
    using client = createHttpsClient(clock);
    const slow = await listen(() => {});
    const quick = await listen((_request, response) => response.end('here'));
    const held = Array.from({ length: 100 }, () => client.call(callOf(slow)).catch(() => {}));
    const { body } = await client.call(callOf(quick));
    assert.equal(body.toString(), 'here');
    clock.advance(10_000);
    await Promise.all(held);
  });

  test('a call ends when its time is over, by the clock that was given', async () => {
    const clock = new ManualClock();
    using client = createHttpsClient(clock);
    const asked = Promise.withResolvers<void>();
    const port = await listen(() => asked.resolve());
    const answer = failure(client.call(callOf(port, { timeoutMs: 5000 })));
    await asked.promise;
    clock.advance(5000);
    assert.deepEqual(await answer, {
      code: 'Timeout',
      message: 'Post "https://web.shop.svc:PORT/here?a=b": context deadline exceeded',
    });
  });

  test('an answer without end is cut off', async () => {
    using client = createHttpsClient(systemClock);
    const port = await listen((_request, response) => {
      const more = () => {
        while (response.write('x'.repeat(1000)));
      };
      response.on('drain', more);
      more();
    });
    assert.equal((await failure(client.call(callOf(port)))).code, 'TooLarge');
  });

  test('what stands in the way is told in the words of Kubernetes', async () => {
    using client = createHttpsClient(systemClock);
    const port = await listen((_request, response) => response.end());
    const { target } = callOf(port);
    const stranger = await createTestAuthority();
    const other = Buffer.from(stranger.ca).toString('base64');
    const words = async (changed: Partial<HttpsCall['target']>) =>
      (await failure(client.call(callOf(port, { target: { ...target, ...changed } })))).message;
    const post = 'Post "https://web.shop.svc:PORT/here?a=b": ';
    assert.equal(await words({ port: 1 }), `${post}dial tcp 127.0.0.1:1: connect: connection refused`);
    assert.equal(
      await words({ caBundle: other }),
      `${post}tls: failed to verify certificate: x509: certificate signed by unknown authority`,
    );
    assert.equal(
      await words({ serverName: 'web.shop.svc' }),
      `${post}tls: failed to verify certificate: x509: certificate is valid for 127.0.0.1, localhost, not web.shop.svc`,
    );
    assert.match(
      await words({ caBundle: Buffer.from('no PEM').toString('base64') }),
      /unable to load root|unknown authority/,
    );
  });

  test('connections are used again', async () => {
    using client = createHttpsClient(systemClock);
    const ports = new Set<number | undefined>();
    const port = await listen((request, response) => {
      ports.add(request.socket.remotePort);
      response.end();
    });
    for (let count = 0; count < 5; count += 1) await client.call(callOf(port));
    assert.equal(ports.size, 1);
  });
});
