import type { CertificateSigningRequest } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { certificateSigningRequestKind } from '../../../protocol/kinds/certificate-signing-request.ts';
import { CertificateRequestError, readCertificateRequest } from '../../identity/certificate-request.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import { defineAdmission, type MayDo } from '../define-admission.ts';
import { isOneOf } from '../is-one-of.ts';
import { refusal } from '../refusal.ts';

/** Who approves must be allowed to approve for just that signer: the right to the subresource is not enough. */
export const certificateApproval = defineAdmission({
  name: 'CertificateApproval',
  setup: ({ may }) => ({
    handles: ({ kind, operation, subresource }) =>
      subresource === 'approval' && operation === 'UPDATE' && isOneOf(kind, certificateSigningRequestKind),
    validate: (request) => requireSigner(request, may, 'approve'),
  }),
});

/** Likewise for who writes a certificate, or says that it failed. */
export const certificateSigning = defineAdmission({
  name: 'CertificateSigning',
  setup: ({ may }) => ({
    handles: ({ kind, operation, subresource }) =>
      subresource === 'status' && operation === 'UPDATE' && isOneOf(kind, certificateSigningRequestKind),
    async validate(request) {
      const next = (request.object as CertificateSigningRequest).status;
      const old = (request.oldObject as CertificateSigningRequest).status;
      const isSame =
        (next?.certificate ?? '') === (old?.certificate ?? '') &&
        sameValue(next?.conditions ?? [], old?.conditions ?? []);
      if (!isSame) await requireSigner(request, may, 'sign');
    },
  }),
});

const clientSigner = 'kubernetes.io/kube-apiserver-client';
const mastersGroup = 'system:masters';

/** Nobody asks to be somebody who may do everything. */
export const certificateSubjectRestriction = defineAdmission({
  name: 'CertificateSubjectRestriction',
  setup: () => ({
    handles: ({ kind, operation, subresource }) =>
      subresource === '' && operation === 'CREATE' && isOneOf(kind, certificateSigningRequestKind),
    validate(request) {
      const { spec } = request.object as CertificateSigningRequest;
      if (spec?.signerName !== clientSigner) return;
      if (organizationsOf(request, spec.request).includes(mastersGroup))
        throw refusal(request, `use of ${clientSigner} signer with ${mastersGroup} group is not allowed`);
    },
  }),
});

function organizationsOf(request: AdmissionRequest, text: string): readonly string[] {
  try {
    return readCertificateRequest(Buffer.from(text, 'base64').toString('latin1')).organizations;
  } catch (error) {
    if (!(error instanceof CertificateRequestError)) throw error;
    throw refusal(request, `failed to parse CSR: ${error.message}`);
  }
}

async function requireSigner(request: AdmissionRequest, may: MayDo, verb: 'approve' | 'sign'): Promise<void> {
  const signer = (request.oldObject as CertificateSigningRequest).spec?.signerName ?? '';
  const asked = { verb, group: 'certificates.k8s.io', resource: 'signers' };
  if (await may(request.user, { ...asked, name: signer })) return;
  const [domain = ''] = signer.split('/');
  if (await may(request.user, { ...asked, name: `${domain}/*` })) return;
  throw refusal(request, `user not permitted to ${verb} requests with signerName "${signer}"`);
}
