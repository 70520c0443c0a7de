import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CertificateSigningRequest } from '../../../../../protocol/generated/models.ts';
import { certificateSigningRequestKind } from '../../../../../protocol/kinds/certificate-signing-request.ts';
import {
  certificateApproval,
  certificateSigning,
  certificateSubjectRestriction,
} from '../../../../../server/admission/plugins/certificates.ts';
import { requestedBy } from '../../../../../server/registry/requested-by.ts';
import { finish } from '../../../../e2e/support/programs.ts';
import { refused } from '../../registry/registry-fixture.ts';
import { openAdmission } from '../admission-fixture.ts';

async function open(rights: string[] = []) {
  const fixture = await openAdmission({
    plugins: [certificateApproval, certificateSigning, certificateSubjectRestriction],
    may: async (_user, asked) =>
      'resource' in asked && rights.includes(`${asked.verb} ${asked.resource} ${asked.name}`),
  });
  return { fixture, client: requestedBy(fixture.registry, fixture.asClient) };
}

async function request(subject: string, signerName = 'kubernetes.io/kube-apiserver-client') {
  const args = ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const { stdout } = await finish('openssl', [...args, '-keyout', '/dev/null', '-subj', subject]);
  return {
    metadata: { name: 'r' },
    spec: { request: Buffer.from(stdout).toString('base64'), signerName, usages: ['client auth'] },
  };
}

const at = { name: 'r' };
const approve = (draft: CertificateSigningRequest) =>
  void (draft.status = { conditions: [{ type: 'Approved', status: 'True', reason: 'Yes' }] });
const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
const sign = (draft: CertificateSigningRequest) =>
  void (draft.status = { ...draft.status, certificate: Buffer.from(pem).toString('base64') });

describe('certificate requests', () => {
  test('who approves or signs needs the right for that signer, or for all of its domain', async () => {
    const asked = await request('/CN=dev', 'example.dev/one');
    for (const [verb, change, subresource] of [
      ['approve', approve, 'approval'],
      ['sign', sign, 'status'],
    ] as const) {
      for (const [right, isEnough] of [
        ['signers example.dev/one', true],
        ['signers example.dev/*', true],
        ['signers example.dev/other', false],
      ] as const) {
        const { fixture, client } = await open([`${verb} ${right}`]);
        await using _fixture = fixture;
        await client.create(certificateSigningRequestKind, asked);
        const done = client.mutate(certificateSigningRequestKind, at, change, { subresource });
        if (isEnough) await done;
        else
          await assert.rejects(
            done,
            refused(
              'Forbidden',
              `certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to ${verb} requests with signerName "example.dev/one"`,
            ),
          );
      }
    }
  });

  test('nobody asks for the group that may do everything', async () => {
    const { fixture, client } = await open();
    await using _fixture = fixture;
    await assert.rejects(
      client.create(certificateSigningRequestKind, await request('/O=system:masters/CN=dev')),
      refused(
        'Forbidden',
        /use of kubernetes.io\/kube-apiserver-client signer with system:masters group is not allowed$/,
      ),
    );
    await client.create(certificateSigningRequestKind, await request('/O=team/CN=dev'));
  });
});
