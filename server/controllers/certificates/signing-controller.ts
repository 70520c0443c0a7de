import type {
  CertificateSigningRequest,
  CertificateSigningRequestCondition,
} from '../../../protocol/generated/models.ts';
import { certificateSigningRequestKind } from '../../../protocol/kinds/certificate-signing-request.ts';
import { storedMeta, timestamp } from '../../../protocol/kinds/stored-object.ts';
import { type ControllerDefinition, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { isOwnSigner, type RequestedCertificate, signingFault } from './signer-rules.ts';

/** The authority that certificates are issued by. */
export interface CertificateSigner<R extends RequestedCertificate = RequestedCertificate> {
  /** Reads a PEM request; throws an Error whose message a person may see. */
  read(pem: string): R;
  /** A certificate, PEM. */
  sign(request: R, approved: { usages: readonly string[]; lifetimeMs: number }): string;
  /** DNS names that only the server itself may have. */
  reservedNames: readonly string[];
}

const lifetimeSecondsMax = 365 * 24 * 3600;
const lifetimeSecondsMin = 600;

/**
 * Issues what was approved for one of the signers that are this server's, into status.certificate. Who may approve is
 * looked at when somebody does; here an approval counts as it stands.
 */
export function certificateSigningController<R extends RequestedCertificate>(
  signer: CertificateSigner<R>,
): ControllerDefinition {
  return defineController({
    name: 'certificatesigningrequest-signing',
    workers: 1,
    setup({ registry, cache, clock, follow }, enqueue) {
      const requests = cache.informer(certificateSigningRequestKind);
      follow(requests, ({ type, object }) => {
        if (type !== 'deleted' && isWaiting(object)) enqueue(storedMeta(object).name);
      });
      return async (name) => {
        const request = requests.get(undefined, name);
        if (!request || !isWaiting(request)) return;
        const outcome = settle(signer, request);
        await registry
          .mutate(
            certificateSigningRequestKind,
            { name },
            (draft) => {
              if (draft.metadata?.uid !== storedMeta(request).uid || !isWaiting(draft)) return;
              draft.status ??= {};
              if ('certificate' in outcome) draft.status.certificate = outcome.certificate;
              else (draft.status.conditions ??= []).push(failed(outcome.fault, timestamp(clock.now())));
            },
            { subresource: 'status' },
          )
          .catch(ignoreGone);
      };
    },
  });
}

function isWaiting({ spec, status, metadata }: Readonly<CertificateSigningRequest>): boolean {
  const types = (status?.conditions ?? []).map(({ type }) => type);
  return (
    metadata?.deletionTimestamp === undefined &&
    isOwnSigner(spec.signerName) &&
    types.includes('Approved') &&
    !types.includes('Denied') &&
    !types.includes('Failed') &&
    !status?.certificate
  );
}

function settle<R extends RequestedCertificate>(
  signer: CertificateSigner<R>,
  { spec }: Readonly<CertificateSigningRequest>,
): { certificate: string } | { fault: string } {
  const { signerName, usages = [], expirationSeconds = lifetimeSecondsMax } = spec;
  let asked: R;
  try {
    asked = signer.read(Buffer.from(spec.request, 'base64').toString('latin1'));
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
  const fault = signingFault(signerName, asked, usages, signer.reservedNames);
  if (fault !== undefined) return { fault };
  const seconds = Math.min(Math.max(expirationSeconds, lifetimeSecondsMin), lifetimeSecondsMax);
  const certificate = signer.sign(asked, { usages, lifetimeMs: seconds * 1000 });
  return { certificate: Buffer.from(certificate).toString('base64') };
}

function failed(message: string, now: string): CertificateSigningRequestCondition {
  return {
    type: 'Failed',
    status: 'True',
    reason: 'SignerValidationFailure',
    message,
    lastUpdateTime: now,
    lastTransitionTime: now,
  };
}
