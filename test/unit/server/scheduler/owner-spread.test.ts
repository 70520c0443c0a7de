import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { OwnerSpread } from '../../../../server/scheduler/owner-spread.ts';
import { schedulingWorld } from './scheduling-world.ts';

const zone = 'topology.kubernetes.io/zone';
const keys = ['kubernetes.io/hostname', zone];

test('where the pods of an owner are is what counting anew gives, whatever came and went', async () => {
  await using world = await schedulingWorld();
  const live = new OwnerSpread(world.fleet, keys);
  const event = fc.record({
    what: fc.constantFrom('node', 'noNode', 'pod', 'noPod'),
    index: fc.nat(4),
    place: fc.nat(2),
    owner: fc.constantFrom('a', 'b', undefined),
  });
  const shown = (spread: OwnerSpread) =>
    ['a', 'b'].map((owner) =>
      spread.of(owner).map((one) => [one.max, ...world.fleet.nodes.map((node) => one.at(node))]),
    );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      for (const { what, index, place, owner } of events) {
        if (what === 'node') world.node(`n${index}`, { labels: place === 0 ? {} : { [zone]: `z${place}` } });
        else if (what === 'noNode') world.removeNode(`n${index}`);
        else if (what === 'noPod') world.removePod(`p${index}`);
        // Also when it has another owner all at once.
        else world.pod(`p${index}`, { node: `n${place}`, ...(owner === undefined ? {} : { owner }) });
        assert.deepEqual(shown(live), shown(new OwnerSpread(world.fleet, keys)));
      }
    }),
    { numRuns: 60 },
  );
});
