import { type ClientRequest, type IncomingMessage, request as requestPlainly } from 'node:http';
import { request as requestSecurely } from 'node:https';
import { type Action } from './action.ts';
import { abortMessage, answerBytesMax, type Outcome } from './take-action.ts';
import { dialProblem } from './tcp-connect.ts';

type HttpGet = Omit<Extract<Action, { type: 'httpGet' }>, 'type' | 'host'> & { host: string };

const redirectsMax = 10;

/**
 * 200 to 399 is success. Certificates are not checked, as kubelet does not. A redirect is followed on the same host
 * and is otherwise a warning, which counts as success.
 */
export async function getOverHttp(get: HttpGet, signal: AbortSignal): Promise<Outcome> {
  const start = new URL(`${get.secure ? 'https' : 'http'}://${bracketed(get.host)}:${get.port}${get.path}`);
  let url = start;
  for (let redirects = 0; ; redirects++) {
    let answer: Answer;
    try {
      answer = await ask(url, headersOf(get), signal);
    } catch (error) {
      return { result: 'failure', message: requestProblem(url, error, signal) };
    }
    const { status, location, body } = answer;
    const next = status >= 300 && status < 400 && location ? resolved(location, url) : undefined;
    if (next && next.hostname !== start.hostname)
      return { result: 'warning', message: `Probe terminated redirects, Response body: ${body}` };
    if (next && redirects === redirectsMax) {
      const message = `Get "${url.href}": stopped after ${redirectsMax} redirects`;
      return { result: 'failure', message };
    }
    if (next) url = next;
    else if (status >= 200 && status < 400) return { result: 'success', message: body };
    else return { result: 'failure', message: `HTTP probe failed with statuscode: ${status}` };
  }
}

interface Answer {
  status: number;
  location: string | undefined;
  body: string;
}

function ask(url: URL, headers: Record<string, string | string[]>, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { method: 'GET', headers, signal, agent: false } as const;
    const request: ClientRequest =
      url.protocol === 'https:'
        ? requestSecurely(url, { ...options, rejectUnauthorized: false })
        : requestPlainly(url, options);
    request.once('error', reject);
    request.once('response', (response) => {
      readBody(response).then(
        (body) => {
          request.destroy();
          const { statusCode = 0, headers: answered } = response;
          resolve({ status: statusCode, location: answered.location, body });
        },
        (error: unknown) => reject(error instanceof Error ? error : new Error(String(error))),
      );
    });
    request.end();
  });
}

async function readBody(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    parts.push(chunk.subarray(0, answerBytesMax - bytes));
    bytes += chunk.length;
    if (bytes >= answerBytesMax) break;
  }
  return Buffer.concat(parts).toString();
}

function headersOf({ headers }: HttpGet): Record<string, string | string[]> {
  const result: Record<string, string[]> = { Connection: ['close'] };
  for (const [name, value] of headers) (result[canonical(name)] ??= []).push(value);
  result['User-Agent'] ??= ['kube-probe/1.36'];
  result['Accept'] ??= ['*/*'];
  // One given as nothing is not sent.
  if (result['Accept'].join('') === '') delete result['Accept'];
  return Object.fromEntries(
    Object.entries(result).map(([name, values]) => [name, values.length === 1 ? values.join('') : values]),
  );
}

function canonical(name: string): string {
  return name
    .split('-')
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1).toLowerCase())
    .join('-');
}

function resolved(location: string, from: URL): URL | undefined {
  return URL.canParse(location, from.href) ? new URL(location, from) : undefined;
}

function requestProblem(url: URL, error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return `Get "${url.href}": ${abortMessage(signal)}`;
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const why = error instanceof Error ? dialProblem(error, { host, port }) : String(error);
  return `Get "${url.href}": ${why}`;
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}
