import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { podKind } from '../../../../../protocol/kinds/pod.ts';
import { podRequests } from '../../../../../protocol/kinds/pod-spec/resources.ts';
import { resourceQuotaKind } from '../../../../../protocol/kinds/resource-quota.ts';
import { quantityMillis } from '../../../../../protocol/quantity.ts';
import { StatusError } from '../../../../../protocol/status.ts';
import { resourceQuota } from '../../../../../server/admission/plugins/resource-quota.ts';
import { eventually } from '../../../../support/eventually.ts';
import { type AdmissionFixture, openAdmission, pod } from '../admission-fixture.ts';

const hard = { pods: '4', 'requests.cpu': '1', 'count/pods': '6' };
const at = (name: string) => ({ namespace: 'default', name });

type Step = { name: string } & ({ act: 'create'; cpu: number } | { act: 'end' | 'delete' | 'label' });

const steps: fc.Arbitrary<Step[][]> = fc.array(
  fc.array(
    fc.oneof(
      fc.record({
        act: fc.constant('create' as const),
        name: names(),
        cpu: fc.integer({ min: 0, max: 500 }),
      }),
      fc.record({ act: fc.constantFrom('end' as const, 'delete' as const, 'label' as const), name: names() }),
    ),
    { minLength: 1, maxLength: 8 },
  ),
  { maxLength: 8 },
);

test('whatever is created, ended and deleted side by side: no limit is passed, and what is used is what a recount gives', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (rounds) => {
      await using fixture = await openAdmission({ plugins: [resourceQuota] });
      await fixture.createSeen(resourceQuotaKind, { metadata: at('q'), spec: { hard } });
      for (const round of rounds) {
        await Promise.all(round.map((step) => perform(fixture, step)));
        const { pods, cpu, objects } = await recount(fixture);
        assert.ok(pods <= 4 && cpu <= 1000 && objects <= 6, `${pods} pods, ${cpu}m, ${objects} objects`);
      }
      const { pods, cpu, objects } = await recount(fixture);
      const wanted = { 'count/pods': String(objects), pods: String(pods), 'requests.cpu': cpu };
      await eventually(
        () => {
          const quota = fixture.cache.informer(resourceQuotaKind).get('default', 'q');
          const used = quota && fixture.quotas.usedOf(quota);
          const [account] = fixture.quotas.accounts('default');
          if (!used || !account || account.reservations.size > 0) return false;
          const told = { ...used, 'requests.cpu': quantityMillis(used['requests.cpu'] ?? '0') };
          return JSON.stringify(told) === JSON.stringify(wanted);
        },
        `the ledger says ${JSON.stringify(wanted)}`,
      );
    }),
    { numRuns: 15 },
  );
});

async function perform({ registry }: AdmissionFixture, step: Step): Promise<void> {
  try {
    switch (step.act) {
      case 'create': {
        const resources = { requests: { cpu: `${step.cpu}m` } };
        await registry.create(
          podKind,
          pod(step.name, { containers: [{ name: 'a', image: 'a', resources }] }),
        );
        return;
      }
      case 'end':
        await registry.mutate(
          podKind,
          at(step.name),
          (draft) => void (draft.status = { ...draft.status, phase: 'Failed' }),
          { subresource: 'status' },
        );
        return;
      case 'label':
        await registry.mutate(podKind, at(step.name), (draft) => {
          (draft.metadata ??= {}).labels = { step: 'x' };
        });
        return;
      case 'delete':
        await registry.delete(podKind, at(step.name));
        return;
      default:
        step satisfies never;
    }
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
  }
}

async function recount({ registry }: AdmissionFixture) {
  const { items } = await registry.list(podKind);
  const active = items.filter(({ status }) => status?.phase !== 'Failed');
  const cpu = active.reduce(
    (sum, { spec }) => sum + quantityMillis(podRequests(spec ?? { containers: [] })['cpu'] ?? '0'),
    0,
  );
  return { pods: active.length, cpu, objects: items.length };
}

function names(): fc.Arbitrary<string> {
  return fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
}
