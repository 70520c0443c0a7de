import { X509Certificate } from 'node:crypto';
import type { CertificateSigningRequest } from '../../../protocol/generated/models.ts';
import { certificateSigningRequestKind } from '../../../protocol/kinds/certificate-signing-request.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';

const hourMs = 60 * 60_000;
/** How long a settled request is kept to be looked at, and how long one may wait (as Kubernetes). */
const settledMs = hourMs;
const pendingMs = 24 * hourMs;

/** Removes certificate requests that nobody needs any more, each at its own time. */
export const certificateRequestCleaner = defineController({
  name: 'certificatesigningrequest-cleaner',
  workers: 1,
  setup({ registry, cache, clock, follow }, enqueue) {
    const requests = cache.informer(certificateSigningRequestKind);
    follow(requests, ({ type, object }) => {
      if (type !== 'deleted') enqueue(storedMeta(object).name);
    });
    return async (name) => {
      const request = requests.get(undefined, name);
      if (!request) return;
      const endMs = endOf(request);
      if (endMs === undefined) return;
      const leftMs = endMs - clock.now();
      if (leftMs > 0) return { requeueAfterMs: leftMs };
      const { uid, resourceVersion } = storedMeta(request);
      const preconditions = { uid, resourceVersion };
      await registry.delete(certificateSigningRequestKind, { name }, { preconditions }).catch(ignoreGone);
    };
  },
});

/** Milliseconds since 1970 from when on the request is of no use; undefined while its certificate is to come. */
export function endOf({ metadata, status }: Readonly<CertificateSigningRequest>): number | undefined {
  const conditions = status?.conditions ?? [];
  const createdMs = Date.parse(metadata?.creationTimestamp ?? '');
  const settledAt = (type: string): number[] => {
    const condition = conditions.find((candidate) => candidate.type === type);
    if (!condition) return [];
    return [condition.lastUpdateTime === undefined ? createdMs : Date.parse(condition.lastUpdateTime)];
  };
  const certificate = status?.certificate;
  const ends = [...settledAt('Denied'), ...settledAt('Failed')].map((at) => at + settledMs);
  if (certificate) {
    ends.push(...settledAt('Approved').map((at) => at + settledMs));
    const expiry = expiryOf(certificate);
    if (expiry !== undefined) ends.push(expiry);
  }
  if (conditions.length === 0) ends.push(createdMs + pendingMs);
  return ends.length === 0 ? undefined : Math.min(...ends);
}

function expiryOf(certificate: string): number | undefined {
  try {
    return new X509Certificate(Buffer.from(certificate, 'base64')).validToDate.getTime();
  } catch {
    return undefined;
  }
}
