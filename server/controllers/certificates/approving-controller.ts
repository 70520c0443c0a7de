import type { CertificateSigningRequest } from '../../../protocol/generated/models.ts';
import { certificateSigningRequestKind } from '../../../protocol/kinds/certificate-signing-request.ts';
import type { Requester } from '../../../protocol/kinds/define-kind.ts';
import { storedMeta, timestamp } from '../../../protocol/kinds/stored-object.ts';
import { type ControllerDefinition, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { type RequestedCertificate, signingFault } from './signer-rules.ts';

export interface CertificateApprover {
  /** Reads a PEM request; throws an Error when it is none. */
  read: (pem: string) => RequestedCertificate;
  /** Whether the roles let `user` create this subresource of certificatesigningrequests. */
  may: (user: Requester, subresource: string) => Promise<boolean>;
}

const signer = 'kubernetes.io/kube-apiserver-client-kubelet';

/**
 * Approves nodes' client certificates for who was given the right to have them (source: Kubernetes' csrapproving). No
 * role gives that right to anybody at first: devices join by tokens and need none of this.
 */
export function certificateApprovingController(approver: CertificateApprover): ControllerDefinition {
  return defineController({
    name: 'certificatesigningrequest-approving',
    workers: 1,
    setup({ registry, cache, clock, follow }, enqueue) {
      const requests = cache.informer(certificateSigningRequestKind);
      follow(requests, ({ type, object }) => {
        if (type !== 'deleted' && isOpen(object)) enqueue(storedMeta(object).name);
      });
      return async (name) => {
        const request = requests.get(undefined, name);
        const message = request && isOpen(request) && (await approvalOf(approver, request));
        if (!message) return;
        const now = timestamp(clock.now());
        const times = { lastUpdateTime: now, lastTransitionTime: now };
        const approved = { type: 'Approved', status: 'True', reason: 'AutoApproved', message, ...times };
        const { uid } = storedMeta(request);
        const change = (draft: CertificateSigningRequest) => {
          if (draft.metadata?.uid === uid && isOpen(draft))
            draft.status = { ...draft.status, conditions: [approved] };
        };
        await registry
          .mutate(certificateSigningRequestKind, { name }, change, { subresource: 'approval' })
          .catch(ignoreGone);
      };
    },
  });
}

function isOpen({ spec, status }: Readonly<CertificateSigningRequest>): boolean {
  return spec.signerName === signer && (status?.conditions ?? []).length === 0 && !status?.certificate;
}

/** With which words it is approved; undefined when nobody may have it for the asking. */
async function approvalOf(
  { read, may }: CertificateApprover,
  { spec }: Readonly<CertificateSigningRequest>,
): Promise<string | undefined> {
  const asked = readable(() => read(Buffer.from(spec.request, 'base64').toString('latin1')));
  if (!asked || signingFault(signer, asked, spec.usages ?? [], []) !== undefined) return undefined;
  const { username: name = '', uid, groups = [], extra } = spec;
  const user = { name, groups, ...(uid === undefined ? {} : { uid }), ...(extra ? { extra } : {}) };
  if (name === asked.commonName && (await may(user, 'selfnodeclient'))) {
    return 'Auto approving self kubelet client certificate after SubjectAccessReview.';
  }
  if (await may(user, 'nodeclient')) {
    return 'Auto approving kubelet client certificate after SubjectAccessReview.';
  }
  return undefined;
}

/** What cannot be read is for a person to look at. */
function readable<R>(read: () => R): R | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
