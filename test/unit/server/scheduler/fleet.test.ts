import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Node, Pod } from '../../../../protocol/generated/models.ts';
import { Fleet } from '../../../../server/scheduler/fleet.ts';
import { podRequest } from '../../../../server/scheduler/pod-request.ts';

/** What happens to pods and nodes in a store, and what the scheduler does meanwhile. */
type Happening =
  | { type: 'create' | 'delete' | 'finish' | 'unbind'; pod: number }
  | { type: 'bindByHand' | 'place'; pod: number; node: number }
  /**
   * A binding that the scheduler asked for arrives at the store or is lost on the way; later the scheduler learns
   * which.
   */
  | { type: 'store'; pod: number; arrives: boolean }
  | { type: 'answer'; pod: number }
  /** The cache hears the next of what happened, or lists everything anew. */
  | { type: 'hear' | 'relist' }
  | { type: 'addNode' | 'removeNode'; node: number };

const pods = fc.nat(2);
const nodes = fc.nat(2);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ type: fc.constantFrom('create' as const, 'delete' as const, 'finish' as const), pod: pods }),
  { weight: 3, arbitrary: fc.record({ type: fc.constant('unbind' as const), pod: pods }) },
  fc.record({ type: fc.constant('bindByHand' as const), pod: pods, node: nodes }),
  { weight: 3, arbitrary: fc.record({ type: fc.constant('place' as const), pod: pods, node: nodes }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('store' as const), pod: pods, arrives: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('answer' as const), pod: pods }) },
  { weight: 4, arbitrary: fc.constant<Happening>({ type: 'hear' }) },
  { weight: 3, arbitrary: fc.constant<Happening>({ type: 'relist' }) },
  fc.record({ type: fc.constantFrom('addNode' as const, 'removeNode' as const), node: nodes }),
);

/** A store with its log, a cache that follows it late, and the scheduler's side of bindings under way. */
class World {
  readonly fleet = new Fleet();
  readonly #stored = new Map<number, Pod>();
  readonly #cached = new Map<number, Pod>();
  readonly #log: { pod: number; object: Pod; gone: boolean }[] = [];
  readonly #asked = new Map<string, { pod: number; node: string; outcome?: number | 'lost' }>();
  readonly #nodes = new Set<number>();
  #revision = 0;
  #serial = 0;

  apply(event: Happening): void {
    switch (event.type) {
      case 'create':
        if (!this.#stored.has(event.pod)) this.#put(event.pod, this.#newPod(event.pod));
        return;
      case 'delete':
        return this.#delete(event.pod);
      case 'finish':
        return this.#change(event.pod, (pod) => ({ ...pod, status: { phase: 'Succeeded' } }));
      case 'unbind':
        return this.#change(event.pod, (pod) => ({
          ...pod,
          spec: { containers: pod.spec?.containers ?? [] },
        }));
      case 'bindByHand':
        return this.#bind(event.pod, `n${event.node}`);
      case 'place':
        return this.#place(event.pod, `n${event.node}`);
      case 'store':
        return this.#withAsked(event.pod, (uid) => this.#store(uid, event.arrives));
      case 'answer':
        return this.#withAsked(event.pod, (uid) => this.#answer(uid));
      case 'hear':
        return this.#hear();
      case 'relist':
        return this.#relist();
      case 'addNode':
        this.#nodes.add(event.node);
        return void this.fleet.applyNode({ type: 'added', object: nodeObject(event.node) }, 0);
      case 'removeNode':
        if (this.#nodes.delete(event.node))
          this.fleet.applyNode({ type: 'deleted', object: nodeObject(event.node) }, 0);
        return;
    }
  }

  /** Everything under way is answered and heard. */
  settle(): void {
    for (const uid of Array.from(this.#asked.keys())) {
      this.#store(uid, true);
      this.#answer(uid);
    }
    while (this.#log.length > 0) this.#hear();
  }

  /** Pods that count as placed though their binding was answered and there is nothing left to hear of them. */
  stuck(): string[] {
    const heard = [...this.#cached].filter(([pod]) => !this.#log.some((entry) => entry.pod === pod));
    return heard
      .map(([, { metadata }]) => metadata?.uid ?? '')
      .filter((uid) => this.fleet.isPlaced(uid) && !this.#asked.has(uid));
  }

  /** The weights of each node that is there, from the cache's pods and the placements not seen bound, from scratch. */
  expected(): Record<string, Record<string, unknown>> {
    const fresh = new Fleet();
    for (const node of this.#nodes) fresh.applyNode({ type: 'added', object: nodeObject(node) }, 0);
    for (const pod of this.#cached.values()) fresh.applyPod({ type: 'added', object: pod });
    return weights(fresh);
  }

  #newPod(pod: number): Pod {
    this.#serial += 1;
    const requests = { cpu: String(pod + 1) };
    return {
      metadata: { name: `p${pod}`, namespace: 'default', uid: `p${pod}-${this.#serial}` },
      spec: {
        containers: [
          { name: 'c', image: 'i', resources: { requests }, ports: [{ containerPort: 1, hostPort: 80 }] },
        ],
      },
    };
  }

  #put(pod: number, object: Pod): void {
    this.#revision += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#revision) } };
    this.#stored.set(pod, stored);
    this.#log.push({ pod, object: stored, gone: false });
  }

  #change(pod: number, change: (pod: Pod) => Pod): void {
    const stored = this.#stored.get(pod);
    if (stored) this.#put(pod, change(stored));
  }

  #delete(pod: number): void {
    const stored = this.#stored.get(pod);
    if (!stored) return;
    this.#revision += 1;
    this.#stored.delete(pod);
    this.#log.push({ pod, object: stored, gone: true });
  }

  #bind(pod: number, nodeName: string): void {
    const stored = this.#stored.get(pod);
    if (!stored || stored.spec?.nodeName || stored.status?.phase === 'Succeeded') return;
    this.#change(pod, (object) => ({ ...object, spec: { containers: [], ...object.spec, nodeName } }));
  }

  /** As the scheduler does: only what the cache shows unbound, and only once at a time. */
  #place(pod: number, node: string): void {
    const cached = this.#cached.get(pod);
    const uid = cached?.metadata?.uid;
    if (!cached || uid === undefined || cached.spec?.nodeName || cached.status?.phase === 'Succeeded') return;
    if (this.fleet.isPlaced(uid) || this.#asked.has(uid)) return;
    this.fleet.place(node, podRequest(cached));
    this.#asked.set(uid, { pod, node });
  }

  #withAsked(pod: number, act: (uid: string) => void): void {
    for (const [uid, asked] of this.#asked) if (asked.pod === pod) return act(uid);
  }

  #store(uid: string, arrives: boolean): void {
    const asked = this.#asked.get(uid);
    if (!asked || asked.outcome !== undefined) return;
    const stored = this.#stored.get(asked.pod);
    const isFree =
      stored?.metadata?.uid === uid && !stored.spec?.nodeName && stored.status?.phase !== 'Succeeded';
    asked.outcome = 'lost';
    if (!arrives || !isFree) return;
    this.#bind(asked.pod, asked.node);
    asked.outcome = this.#revision;
  }

  #answer(uid: string): void {
    const outcome = this.#asked.get(uid)?.outcome;
    if (outcome === undefined) return;
    this.#asked.delete(uid);
    if (outcome === 'lost') this.fleet.takeBack(uid);
    else this.fleet.confirm(uid, outcome);
  }

  #hear(): void {
    const next = this.#log.shift();
    if (!next) return;
    this.#tell(next.pod, next.gone ? undefined : next.object);
  }

  #relist(): void {
    this.#log.length = 0;
    for (const pod of [0, 1, 2]) this.#tell(pod, this.#stored.get(pod));
  }

  #tell(pod: number, object: Pod | undefined): void {
    const old = this.#cached.get(pod);
    if (old && old.metadata?.uid !== object?.metadata?.uid) {
      this.#cached.delete(pod);
      this.fleet.applyPod({ type: 'deleted', object: old });
    }
    if (!object) return;
    const same = this.#cached.get(pod);
    this.#cached.set(pod, object);
    this.fleet.applyPod(same ? { type: 'updated', object, old: same } : { type: 'added', object });
  }
}

function nodeObject(node: number): Node {
  return { metadata: { name: `n${node}`, uid: `n${node}` }, status: { allocatable: { cpu: '8' } } };
}

/** What each node that is there carries; amounts of nothing left out. */
function weights(fleet: Fleet): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    fleet.nodes
      .map(({ name, requested, pods, hostPorts }) => {
        const amounts = Object.entries(requested).filter(([, amount]) => amount !== 0);
        const carried = {
          requested: Object.fromEntries(amounts),
          pods: [...pods.keys()].sort(),
          ports: [...hostPorts],
        };
        return [name, carried] as const;
      })
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

test('whatever comes in whatever order, the fleet is what its pods add up to once all is heard', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 60, size: 'max' }), (happenings) => {
      const world = new World();
      for (const event of happenings) world.apply(event);
      world.settle();
      assert.deepEqual(weights(world.fleet), world.expected());
    }),
    { numRuns: 500 },
  );
});

test('at any time a node carries exactly its pods, and no placement outlives what is known of it', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 60, size: 'max' }), (happenings) => {
      const world = new World();
      for (const event of happenings) {
        world.apply(event);
        assert.deepEqual(world.stuck(), []);
        for (const { pods: carried, requested, hostPorts } of world.fleet.nodes) {
          const cpu = [...carried.values()].reduce((sum, { requests }) => sum + (requests.cpu ?? 0), 0);
          assert.equal(requested.cpu ?? 0, cpu);
          assert.equal(hostPorts.get('TCP/0.0.0.0/80') ?? 0, carried.size);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('a pod that was just placed counts before its binding is stored, and not when it was refused', () => {
  const fleet = new Fleet();
  fleet.applyNode({ type: 'added', object: nodeObject(1) }, 0);
  const pod: Pod = {
    metadata: { name: 'p', namespace: 'default', uid: 'p', resourceVersion: '5' },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '2' } } }] },
  };
  fleet.applyPod({ type: 'added', object: pod });
  fleet.place('n1', podRequest(pod));
  assert.equal(fleet.nodeNamed('n1')?.requested.cpu, 2000);
  assert.equal(fleet.takeBack('p'), 'n1');
  assert.equal(fleet.nodeNamed('n1')?.requested.cpu, 0);
});

test('a binding that the cache never showed, for it was taken back meanwhile, does not count for ever', () => {
  const fleet = new Fleet();
  fleet.applyNode({ type: 'added', object: nodeObject(1) }, 0);
  const unbound = (resourceVersion: string): Pod => ({
    metadata: { name: 'p', namespace: 'default', uid: 'p', resourceVersion },
    spec: { containers: [] },
  });
  fleet.applyPod({ type: 'added', object: unbound('5') });
  fleet.place('n1', podRequest(unbound('5')));
  fleet.confirm('p', 7);
  fleet.applyPod({ type: 'updated', object: unbound('6'), old: unbound('5') });
  assert.ok(fleet.isPlaced('p'), 'revision 6 was before the binding');
  assert.equal(fleet.applyPod({ type: 'updated', object: unbound('9'), old: unbound('6') }), 'n1');
  assert.ok(!fleet.isPlaced('p'));
});

test('an answer that comes after the cache has passed the binding leaves nothing behind', () => {
  const fleet = new Fleet();
  fleet.applyNode({ type: 'added', object: nodeObject(1) }, 0);
  const unbound = (resourceVersion: string): Pod => ({
    metadata: { name: 'p', namespace: 'default', uid: 'p', resourceVersion },
    spec: { containers: [] },
  });
  fleet.applyPod({ type: 'added', object: unbound('5') });
  fleet.place('n1', podRequest(unbound('5')));
  fleet.applyPod({ type: 'updated', object: unbound('9'), old: unbound('5') });
  assert.equal(fleet.confirm('p', 7), 'n1');
  assert.ok(!fleet.isPlaced('p'));
});
