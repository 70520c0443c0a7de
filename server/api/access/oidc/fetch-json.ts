import { request } from 'node:https';
import type { Clock } from '../../../../lib/clock.ts';

const timeoutMs = 10_000;
const bytesMax = 1024 * 1024;

/**
 * GETs a JSON document over TLS, following no redirects. `ca` (PEM) stands in place of the system's authorities.
 * Rejects when it takes longer than 10 s, is larger than 1 MiB, or is not answered with 200.
 */
export function fetchJson(
  url: string,
  { ca, clock }: { ca: string | undefined; clock: Clock },
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request(url, {
      ...(ca === undefined ? {} : { ca }),
      agent: false,
      headers: { accept: 'application/json' },
    });
    const timer = clock.after(timeoutMs, () => call.destroy(new Error(`${url} did not answer in time`)), {
      unref: true,
    });
    call.on('error', reject);
    call.on('close', () => timer.cancel());
    call.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > bytesMax) call.destroy(new Error(`${url} answers with more than ${bytesMax} bytes`));
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`${url} answered ${response.statusCode}`));
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
        } catch (cause) {
          reject(new Error(`${url} does not answer with JSON`, { cause }));
        }
      });
    });
    call.end();
  });
}
