import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLogger } from '../../../lib/log.ts';
import { seededRandom } from '../../../lib/random.ts';
import { certificateSigningRequestKind as kind } from '../../../protocol/kinds/certificate-signing-request.ts';
import { fixedKinds } from '../../../protocol/kinds/kind-set.ts';
import { kinds } from '../../../protocol/kinds/registry.ts';
import { createCache } from '../../../server/cache/create-cache.ts';
import { certificateApprovingController } from '../../../server/controllers/certificates/approving-controller.ts';
import { certificateRequestCleaner } from '../../../server/controllers/certificates/request-cleaner.ts';
import type { RequestedCertificate } from '../../../server/controllers/certificates/signer-rules.ts';
import { certificateSigningController } from '../../../server/controllers/certificates/signing-controller.ts';
import { runControllers } from '../../../server/controllers/run-controllers.ts';
import { createRegistry } from '../../../server/registry/create-registry.ts';
import { createEventRecorder } from '../../../server/registry/event-recorder.ts';
import { createMemoryStore } from '../../../server/store/memory-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const issued = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';

const pem = '-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n';
const asked: RequestedCertificate = {
  commonName: 'system:node:pi',
  organizations: ['system:nodes'],
  dnsNames: [],
  addresses: [],
  emails: [],
  uris: [],
};

/** The controllers of certificate requests, with an authority that signs by saying so. */
async function open(rights: readonly string[] = []) {
  const clock = new ManualClock();
  const log = silentLogger;
  const store = createMemoryStore({ clock });
  const registry = createRegistry({ store, clock, random: seededRandom(1), log, kinds });
  const cache = createCache({ registry, clock, log });
  const events = createEventRecorder({ registry, clock, log, component: 'test' });
  const read = () => asked;
  const signed: number[] = [];
  const sign = (_request: RequestedCertificate, { lifetimeMs }: { lifetimeMs: number }) => {
    signed.push(lifetimeMs / 1000);
    return issued;
  };
  const may = async ({ name }: { name: string }, right: string) => rights.includes(`${name} ${right}`);
  const definitions = [
    certificateApprovingController({ read, may }),
    certificateSigningController({ read, sign, reservedNames: [] }),
    certificateRequestCleaner,
  ];
  const context = { registry, cache, kinds: fixedKinds(kinds), clock, log, events };
  const running = await runControllers(definitions, context);
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await clock.advance(10);
  };
  const create = async (name: string, user: string, expirationSeconds?: number) => {
    const spec = {
      request: Buffer.from(pem).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usages: ['client auth', 'digital signature'],
      ...(expirationSeconds === undefined ? {} : { expirationSeconds }),
    };
    await registry.create(kind, { metadata: { name }, spec }, { user: { name: user, groups: [] } });
    await settle();
    return registry.get(kind, { name });
  };
  return {
    registry,
    clock,
    create,
    settle,
    signed,
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await cache[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

describe('a certificate request', () => {
  it('of a node is approved and issued for who has the right to that', async () => {
    await using plane = await open(['boot nodeclient', 'system:node:pi selfnodeclient']);
    const booted = await plane.create('booted', 'boot', 3600);
    const [condition] = booted.status?.conditions ?? [];
    assert.deepEqual(
      [condition?.type, condition?.reason, condition?.message],
      ['Approved', 'AutoApproved', 'Auto approving kubelet client certificate after SubjectAccessReview.'],
    );
    assert.equal(Buffer.from(booted.status?.certificate ?? '', 'base64').toString(), issued);
    const renewed = await plane.create('renewed', 'system:node:pi', 60 * 24 * 3600 * 1000);
    assert.match(renewed.status?.conditions?.[0]?.message ?? '', /self kubelet client certificate/);
    assert.deepEqual(plane.signed, [3600, 365 * 24 * 3600]);
  });

  it('waits for a person otherwise, a day at most', async () => {
    await using plane = await open(['other nodeclient']);
    const waiting = await plane.create('waiting', 'boot');
    assert.deepEqual([waiting.status?.conditions, waiting.status?.certificate], [undefined, undefined]);
    await plane.clock.advance(25 * 3600_000);
    await plane.settle();
    await assert.rejects(plane.registry.get(kind, { name: 'waiting' }), /not found/);
  });
});
