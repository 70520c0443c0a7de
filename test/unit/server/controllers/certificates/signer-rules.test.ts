import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endOf } from '../../../../../server/controllers/certificates/request-cleaner.ts';
import {
  type RequestedCertificate,
  signingFault,
} from '../../../../../server/controllers/certificates/signer-rules.ts';

const nobody: RequestedCertificate = {
  commonName: 'anna',
  organizations: [],
  dnsNames: [],
  addresses: [],
  emails: [],
  uris: [],
};
const node = { ...nobody, commonName: 'system:node:pi', organizations: ['system:nodes'] };
const fault = (signer: string, asked: Partial<RequestedCertificate>, ...usages: string[]) =>
  signingFault(`kubernetes.io/${signer}`, { ...nobody, ...asked }, usages, ['server.flotilla']);

describe('the signers', () => {
  it('make client certificates for the API of any name, for client authentication only', () => {
    assert.equal(fault('kube-apiserver-client', {}, 'client auth'), undefined);
    assert.equal(
      fault('kube-apiserver-client', {}, 'client auth', 'digital signature', 'key encipherment'),
      undefined,
    );
    assert.equal(
      fault('kube-apiserver-client', {}, 'client auth', 'server auth'),
      'invalid usage for client certificate: server auth',
    );
    assert.equal(
      fault('kube-apiserver-client', {}, 'digital signature'),
      'missing required usage for client certificate: client auth',
    );
  });

  it('make kubelets’ certificates for nodes only', () => {
    const usages = ['client auth', 'digital signature'];
    assert.equal(fault('kube-apiserver-client-kubelet', node, ...usages), undefined);
    assert.match(fault('kube-apiserver-client-kubelet', nobody, ...usages) ?? '', /not system:nodes/);
    assert.match(
      fault('kube-apiserver-client-kubelet', { ...node, commonName: 'anna' }, ...usages) ?? '',
      /common name/,
    );
    assert.match(
      fault('kube-apiserver-client-kubelet', { ...node, dnsNames: ['a'] }, ...usages) ?? '',
      /DNS subjectAltNames are not allowed/,
    );
    assert.match(
      fault('kube-apiserver-client-kubelet', node, 'client auth') ?? '',
      /^usages did not match \[digital signature client auth\]$/,
    );
    const serving = ['server auth', 'digital signature'];
    assert.equal(fault('kubelet-serving', { ...node, addresses: ['10.0.0.1'] }, ...serving), undefined);
    assert.match(fault('kubelet-serving', node, ...serving) ?? '', /DNS or IP subjectAltName is required/);
  });

  it('never make a master or another server of that name', () => {
    for (const signer of ['kube-apiserver-client', 'legacy-unknown']) {
      assert.match(fault(signer, { organizations: ['a', 'system:masters'] }, 'client auth') ?? '', /masters/);
      assert.match(fault(signer, { dnsNames: ['Server.flotilla'] }, 'server auth') ?? '', /server's own/);
    }
    assert.equal(fault('legacy-unknown', { dnsNames: ['shop.example'] }, 'server auth'), undefined);
  });
});

describe('certificate requests', () => {
  const created = '2026-01-01T00:00:00Z';
  const at = (hours: number) => Date.parse(created) + hours * 3600_000;
  const request = (status: object) => ({
    metadata: { name: 'r', creationTimestamp: created },
    spec: { request: '', signerName: 's' },
    status,
  });
  const settled = (type: string) => [{ type, status: 'True', lastUpdateTime: '2026-01-01T02:00:00Z' }];

  it('go an hour after they were settled, a day after nobody did', () => {
    assert.equal(endOf(request({})), at(24));
    assert.equal(endOf(request({ conditions: settled('Denied') })), at(3));
    assert.equal(endOf(request({ conditions: settled('Failed') })), at(3));
    assert.equal(endOf(request({ conditions: settled('Approved'), certificate: 'eA==' })), at(3));
  });

  it('stay while an approved certificate is to come', () => {
    assert.equal(endOf(request({ conditions: settled('Approved') })), undefined);
  });
});
