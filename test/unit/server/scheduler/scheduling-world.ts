import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import type { Node, Pod } from '../../../../protocol/generated/models.ts';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { createCache } from '../../../../server/cache/create-cache.ts';
import type { Cache } from '../../../../server/cache/informer.ts';
import { createRegistry } from '../../../../server/registry/create-registry.ts';
import type { Registry } from '../../../../server/registry/registry.ts';
import { chooseNode, explainNone } from '../../../../server/scheduler/choose-node.ts';
import { Fleet } from '../../../../server/scheduler/fleet.ts';
import { type PodRequest, podRequest } from '../../../../server/scheduler/pod-request.ts';
import {
  defaultProfiles,
  type Judges,
  judgesOf,
  openProfiles,
} from '../../../../server/scheduler/profiles.ts';
import { schedulerPlugins } from '../../../../server/scheduler/registry.ts';
import { createMemoryStore } from '../../../../server/store/memory-store.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

export interface NodeFacts {
  cpu?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  images?: { names: string[]; sizeBytes: number }[];
}

export interface PodFacts {
  namespace?: string;
  labels?: Record<string, string>;
  cpu?: string;
  node?: string;
  priority?: number;
  startTime?: string;
  owner?: string;
  spec?: object;
}

/** A fleet with every plugin opened over it, and a pod or node in a line. */
export interface World extends AsyncDisposable {
  fleet: Fleet;
  registry: Registry;
  cache: Cache;
  retried: ((waiting: PodRequest) => boolean)[];
  node(name: string, facts?: NodeFacts): void;
  removeNode(name: string): void;
  /** On the fleet when it has a node. */
  pod(name: string, facts?: PodFacts): PodRequest;
  removePod(name: string): void;
  judges(pod: PodRequest): Judges;
  /** The node's name, or why there is none. */
  choose(pod: PodRequest): string;
}

export async function schedulingWorld(): Promise<World> {
  const clock = new ManualClock();
  const store = createMemoryStore({ clock });
  const registry = createRegistry({ store, clock, random: seededRandom(1), log: silentLogger, kinds });
  await registry.create(namespaceKind, { metadata: { name: 'default' } });
  await registry.create(namespaceKind, { metadata: { name: 'team', labels: { trusted: 'yes' } } });
  const cache = createCache({ registry, clock, log: silentLogger });
  const fleet = new Fleet();
  const retried: World['retried'] = [];
  const context = {
    fleet,
    cache,
    registry,
    retry: (mayHelp: World['retried'][number]) => void retried.push(mayHelp),
  };
  const profiles = openProfiles(defaultProfiles, schedulerPlugins, context);
  await cache.synced();
  const pods = new Map<string, Pod>();
  const judges = (pod: PodRequest) => judgesOf(pod, profiles.get('default-scheduler') ?? []);
  return {
    fleet,
    registry,
    cache,
    retried,
    judges,
    node: (name, facts) => void fleet.applyNode({ type: 'added', object: nodeObject(name, facts) }, 0),
    removeNode: (name) => void fleet.applyNode({ type: 'deleted', object: nodeObject(name) }, 0),
    pod(name, facts) {
      const object = podObject(name, facts);
      pods.set(name, object);
      if (facts?.node !== undefined) fleet.applyPod({ type: 'added', object });
      return podRequest(object);
    },
    removePod(name) {
      const object = pods.get(name);
      if (object) fleet.applyPod({ type: 'deleted', object });
    },
    choose(pod) {
      const choice = chooseNode(judges(pod), fleet, 0);
      return choice.type === 'node' ? choice.node.name : explainNone(choice);
    },
    [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
  };
}

function nodeObject(
  name: string,
  { cpu = '4', labels = {}, annotations = {}, images = [] }: NodeFacts = {},
): Node {
  return {
    metadata: {
      name,
      uid: name,
      resourceVersion: '1',
      labels: { 'kubernetes.io/hostname': name, ...labels },
      annotations,
    },
    spec: {},
    status: {
      allocatable: { cpu, memory: '8Gi', pods: '110' },
      images,
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

function podObject(name: string, facts: PodFacts = {}): Pod {
  const { namespace = 'default', labels = {}, cpu = '10m', node, priority, startTime, owner, spec } = facts;
  const reference = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'o', controller: true };
  return {
    metadata: {
      name,
      namespace,
      uid: name,
      resourceVersion: '1',
      labels,
      ...(owner === undefined ? {} : { ownerReferences: [{ ...reference, uid: owner }] }),
    },
    spec: {
      containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }],
      ...(node === undefined ? {} : { nodeName: node }),
      ...(priority === undefined ? {} : { priority }),
      ...spec,
    },
    ...(startTime === undefined ? {} : { status: { startTime } }),
  };
}
