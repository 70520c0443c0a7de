import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Step } from '../../../../agent/pods/steps.ts';
import { targetOf } from '../../../../agent/pods/steps.ts';
import { container, exited, PodLife, pod, success, words } from './plan-cases.ts';

/** Whatever happens to a pod, in whatever order, something bad never does. */
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('plan' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('end' as const), which: fc.nat(7), well: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('exit' as const), which: fc.nat(2), code: fc.nat(1) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(1_000, 10_000, 300_000) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('sandboxDies' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('image' as const), version: fc.nat(2) }) },
);

function podWithImage(version: number, deleting: boolean) {
  const spec = {
    initContainers: [container('init')],
    containers: [container('a', { image: `a:${version}` }), container('b')],
  };
  return pod(spec, deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {});
}

test('a pod never runs two steps on one target, never starts after its deletion, and always ends up gone', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 60 }), fc.nat(60), (happenings, deletedAt) => {
      const life = new PodLife(podWithImage(0, false));
      const underWay: Step[] = [];
      let version = 0;
      let deleting = false;
      const begin = () => {
        for (const step of life.plan().steps) {
          const busy = underWay.some((other) => targetOf(other) === targetOf(step));
          assert.ok(!busy || step.type === 'stopContainer', `${words(step)} beside another on its target`);
          assert.ok(!deleting || /^(stop|remove)/.test(step.type), `${words(step)} after the deletion`);
        }
        underWay.push(...life.begin());
      };
      const end = (step: Step, well: boolean) => {
        underWay.splice(underWay.indexOf(step), 1);
        life.on(
          well ? success(step, life.now) : { type: 'failed', step, code: 'ErrImagePull', message: 'no' },
        );
      };
      for (const [at, next] of [...happenings, { type: 'plan' as const }].entries()) {
        if (at === deletedAt) life.wanted = podWithImage(version, (deleting = true));
        const step = next.type === 'end' ? underWay[next.which % Math.max(1, underWay.length)] : undefined;
        if (next.type === 'plan') begin();
        else if (next.type === 'end' && step) end(step, next.well);
        else if (next.type === 'wait') life.advance(next.ms);
        else if (next.type === 'image') life.wanted = podWithImage((version = next.version), deleting);
        else if (next.type === 'sandboxDies' && life.state.sandbox) {
          life.on({ type: 'observed', sandbox: { state: 'stopped' }, containers: {} });
        } else if (next.type === 'exit') {
          const name = ['init', 'a', 'b'][next.which] ?? '';
          const runs = life.state.observed[name]?.state === 'running';
          if (runs) life.on({ type: 'observed', containers: { [name]: exited(next.code, life.now) } });
        }
        const attempts = life.state.record.garbage.map(({ container: of, attempt }) => `${of}-${attempt}`);
        assert.equal(new Set(attempts).size, attempts.length);
      }
      deleting = true;
      life.wanted = podWithImage(version, true);
      for (let round = 0; round < 20 && !life.plan().removed; round++) {
        for (const step of underWay.slice()) end(step, true);
        life.advance(300_000);
        begin();
      }
      assert.ok(life.plan().removed, 'the pod is gone');
      assert.deepEqual([life.state.record.containers, life.state.record.sandbox], [{}, undefined]);
    }),
    { numRuns: 300, seed: 20_260_101 },
  );
});
