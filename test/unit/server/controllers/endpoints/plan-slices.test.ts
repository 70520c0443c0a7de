import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { Endpoint, EndpointSlice } from '../../../../../protocol/generated/models.ts';
import {
  type EndpointGroup,
  endpointsPerSliceMax,
  planSlices,
  type SlicePlan,
} from '../../../../../server/controllers/endpoints/plan-slices.ts';

const meta = { labels: { app: 'web' } };
let made = 0;

const endpoint = (id: number, ready = true): Endpoint => ({
  addresses: [`10.0.${id >> 8}.${id & 255}`],
  conditions: { ready },
  targetRef: { kind: 'Pod', uid: `pod-${id}` },
});
const group = (endpoints: Endpoint[], port = 80): EndpointGroup => ({
  addressType: 'IPv4',
  ports: [{ name: '', port, protocol: 'TCP' }],
  endpoints,
});
const nobody: EndpointGroup = { addressType: 'IPv4', ports: [], endpoints: [] };

/** As the store would have it after the plan's writes. */
function apply(existing: readonly EndpointSlice[], plan: SlicePlan): EndpointSlice[] {
  const updated = new Map(plan.update.map((update) => [update.slice, update]));
  const removed = new Set(plan.remove);
  return [
    ...existing
      .filter((slice) => !removed.has(slice))
      .map((slice) => {
        const update = updated.get(slice);
        if (!update) return slice;
        const { ports, endpoints } = update;
        return { ...slice, ports, endpoints, metadata: { ...slice.metadata, ...meta } };
      }),
    ...plan.create.map((slice) => ({ ...slice, metadata: { name: `slice-${made++}`, ...meta } })),
  ];
}

const writes = ({ create, update, remove }: SlicePlan) => create.length + update.length + remove.length;

function contentOf(slices: readonly EndpointSlice[]): string[] {
  return slices
    .flatMap(({ ports, endpoints = [] }) => endpoints.map((one) => JSON.stringify([ports, one])))
    .sort();
}

describe('slices of endpoints', () => {
  it('hold exactly what is wanted after any history, at most a hundred each, and then stay untouched', () => {
    const pods = fc.uniqueArray(fc.record({ id: fc.nat(400), ready: fc.boolean() }), {
      selector: ({ id }) => id,
      maxLength: 300,
    });
    const state = fc.array(fc.record({ port: fc.constantFrom(80, 81), pods }), { maxLength: 2 });
    fc.assert(
      fc.property(fc.array(state, { minLength: 1, maxLength: 5 }), (history) => {
        let slices: EndpointSlice[] = [];
        for (const parts of history) {
          const byPort = new Map(
            parts.map(({ port, pods: members }) => [
              port,
              group(
                members.map(({ id, ready }) => endpoint(id, ready)),
                port,
              ),
            ]),
          );
          const filled = [...byPort.values()].filter(({ endpoints }) => endpoints.length > 0);
          const groups = filled.length > 0 ? filled : [nobody];
          slices = apply(slices, planSlices(groups, slices, meta));
          assert.deepEqual(contentOf(slices), contentOf(groups));
          assert.ok(slices.every(({ endpoints = [] }) => endpoints.length <= endpointsPerSliceMax));
          assert.equal(writes(planSlices(groups, slices, meta)), 0);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('change in one write when one endpoint does', () => {
    const many = Array.from({ length: 250 }, (_, id) => endpoint(id));
    const slices = apply([], planSlices([group(many)], [], meta));
    assert.deepEqual(
      slices.map(({ endpoints }) => endpoints?.length),
      [100, 100, 50],
    );
    const changed = many.map((one, id) => (id === 120 ? endpoint(id, false) : one));
    assert.equal(writes(planSlices([group(changed)], slices, meta)), 1);
    assert.equal(writes(planSlices([group([...many, endpoint(999)])], slices, meta)), 1);
    const replaced = many.map((one, id) => (id === 120 ? endpoint(998) : one));
    assert.equal(writes(planSlices([group(replaced)], slices, meta)), 1);
  });

  it('are one empty one when there is nobody, which is filled again later', () => {
    const full = apply([], planSlices([group([endpoint(1)])], [], meta));
    const empty = apply(full, planSlices([nobody], full, meta));
    assert.deepEqual(
      empty.map(({ metadata, endpoints }) => [metadata?.name, endpoints]),
      [[full[0]?.metadata?.name, []]],
    );
    const again = planSlices([group([endpoint(2)])], empty, meta);
    assert.deepEqual([again.update.length, writes(again)], [1, 1]);
  });

  it('carry the labels that are wanted now', () => {
    const slices = apply([], planSlices([group([endpoint(1)])], [], meta));
    const plan = planSlices([group([endpoint(1)])], slices, { labels: { app: 'shop' } });
    assert.deepEqual([plan.update.length, writes(plan)], [1, 1]);
  });
});
