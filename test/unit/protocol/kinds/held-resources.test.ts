import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Pod, PodCondition } from '../../../../protocol/generated/models.ts';
import { heldSpec } from '../../../../protocol/kinds/pod-spec/held-resources.ts';
import { podRequests } from '../../../../protocol/kinds/pod-spec/resources.ts';
import { podRequest } from '../../../../server/scheduler/pod-request.ts';

type Requests = Record<string, string>;

function pod(asked: Requests, granted?: Requests, enforced = granted, conditions: PodCondition[] = []): Pod {
  return {
    metadata: { name: 'p', uid: 'u' },
    spec: { containers: [{ name: 'app', resources: { requests: asked } }] },
    status: {
      conditions,
      containerStatuses: [
        {
          name: 'app',
          image: '',
          imageID: '',
          ready: true,
          restartCount: 0,
          ...(granted ? { allocatedResources: granted } : {}),
          ...(enforced ? { resources: { requests: enforced } } : {}),
        },
      ],
    },
  };
}

const requestsOf = (of: Pod) => podRequests(heldSpec(of) ?? { containers: [] });

suite('what a pod holds while it is resized', () => {
  test('nothing changes for who has what they ask for', () => {
    const settled = pod({ cpu: '1' }, { cpu: '1' });
    assert.equal(heldSpec(settled), settled.spec);
    const unseen = pod({ cpu: '1' });
    assert.equal(heldSpec(unseen), unseen.spec);
  });

  test('who asks for more holds it at once, who asks for less holds the rest until it is given back', () => {
    assert.deepEqual(requestsOf(pod({ cpu: '2' }, { cpu: '1' })), { cpu: '2' });
    assert.deepEqual(requestsOf(pod({ cpu: '1' }, { cpu: '2' })), { cpu: '2' });
    assert.deepEqual(requestsOf(pod({ cpu: '1' }, { cpu: '1' }, { cpu: '1500m' })), { cpu: '1500m' });
  });

  test('what a node can never give does not count', () => {
    const infeasible = { type: 'PodResizePending', status: 'True', reason: 'Infeasible' };
    const asking = pod({ cpu: '64' }, { cpu: '1' }, { cpu: '1' }, [infeasible]);
    assert.deepEqual(requestsOf(asking), { cpu: '1' });
    assert.equal(podRequest(asking).requests['cpu'], 1000, 'also for the scheduler');
  });
});
