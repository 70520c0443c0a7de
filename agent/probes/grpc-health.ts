import { type ClientHttp2Session, connect } from 'node:http2';
import { abortMessage, type Outcome } from './take-action.ts';

/**
 * grpc.health.v1.Health/Check by hand: one request of one string field, one answer of one number
 * (source: the GRPC health checking protocol and the HTTP/2 mapping in grpc/grpc's doc/). Its message is six bytes,
 * which is no reason to carry a gRPC library.
 */
export async function checkOverGrpc(
  { host, port, service }: { host: string; port: number; service: string },
  signal: AbortSignal,
): Promise<Outcome> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const session = connect(`http://${address}`);
  signal.addEventListener('abort', () => session.destroy(new Error(abortMessage(signal))), { once: true });
  try {
    return judge(await call(session, service, signal));
  } catch (error) {
    const why = signal.aborted
      ? abortMessage(signal)
      : error instanceof Error
        ? error.message
        : String(error);
    return { result: 'failure', message: `failed to connect service ${JSON.stringify(address)}: ${why}` };
  } finally {
    session.destroy();
  }
}

interface Answer {
  /** 0 is OK. */
  grpcStatus: number;
  grpcMessage: string;
  body: Buffer;
}

const answerBytesMax = 1024;

function call(session: ClientHttp2Session, service: string, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    session.once('error', reject);
    session.once('close', () => reject(new Error('connection closed')));
    const stream = session.request(
      {
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        'content-type': 'application/grpc',
        te: 'trailers',
        'user-agent': 'kube-probe/1.36',
      },
      { signal },
    );
    const answer: Answer = { grpcStatus: 2, grpcMessage: '', body: Buffer.alloc(0) };
    const note = (headers: Readonly<Record<string, unknown>>) => {
      if (headers['grpc-status'] !== undefined) answer.grpcStatus = Number(headers['grpc-status']);
      const message = headers['grpc-message'];
      if (typeof message === 'string') answer.grpcMessage = message;
      const status = Number(headers[':status'] ?? 200);
      if (status !== 200) answer.grpcMessage = `unexpected HTTP status code received from server: ${status}`;
    };
    stream.once('error', reject);
    stream.once('response', note);
    stream.once('trailers', note);
    stream.on('data', (chunk: Buffer) => {
      if (answer.body.length < answerBytesMax) answer.body = Buffer.concat([answer.body, chunk]);
    });
    stream.once('end', () => resolve(answer));
    stream.end(requestMessage(service));
  });
}

function judge({ grpcStatus, grpcMessage, body }: Answer): Outcome {
  if (grpcStatus === unimplemented)
    return {
      result: 'failure',
      message: `this server does not implement the grpc health protocol (grpc.health.v1.Health): ${grpcMessage}`,
    };
  if (grpcStatus !== 0)
    return { result: 'failure', message: `health rpc probe failed: code ${grpcStatus}: ${grpcMessage}` };
  const status = servingStatus(body);
  if (status === 'SERVING') return { result: 'success', message: 'service healthy' };
  return { result: 'failure', message: `service unhealthy (responded with "${status}")` };
}

const unimplemented = 12;

/** Not compressed, length, then HealthCheckRequest{service = 1}. */
function requestMessage(service: string): Buffer {
  const name = Buffer.from(service);
  const field =
    name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a]), varint(name.length), name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(field.length, 1);
  return Buffer.concat([prefix, field]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left >>>= 7) {
    if (left < 0x80) return Buffer.from([...bytes, left]);
    bytes.push((left & 0x7f) | 0x80);
  }
}

/** HealthCheckResponse{status = 1}; a missing field is 0. */
function servingStatus(body: Buffer): string {
  const message = body.subarray(5);
  const value = message[0] === 0x08 ? (message[1] ?? 0) : 0;
  return ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'][value] ?? String(value);
}
