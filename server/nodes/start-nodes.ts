import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { configMapKind } from '../../protocol/kinds/config-map.ts';
import { daemonSetKind } from '../../protocol/kinds/daemon-set.ts';
import { deploymentKind } from '../../protocol/kinds/deployment.ts';
import { nodeKind } from '../../protocol/kinds/node.ts';
import { persistentVolumeKind } from '../../protocol/kinds/persistent-volume.ts';
import { persistentVolumeClaimKind } from '../../protocol/kinds/persistent-volume-claim.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { resourceClaimKind } from '../../protocol/kinds/resource-claim.ts';
import { resourceSliceKind } from '../../protocol/kinds/resource-slice.ts';
import { secretKind } from '../../protocol/kinds/secret.ts';
import { serviceKind } from '../../protocol/kinds/service.ts';
import { serviceAccountKind } from '../../protocol/kinds/service-account.ts';
import { statefulSetKind } from '../../protocol/kinds/stateful-set.ts';
import type { Bus } from '../bus/bus.ts';
import type { Cache } from '../cache/informer.ts';
import type { EventRecorder } from '../registry/event-recorder.ts';
import type { Registry } from '../registry/registry.ts';
import { FleetSessions } from './fleet-sessions.ts';
import { type IssuePodToken, servePodTokens } from './pod-tokens.ts';
import { followReclaimed } from './reclaimed-volumes.ts';

/** The devices as the server sees them: their sessions, their desired sets, what they report. */
export interface Nodes extends AsyncDisposable {
  /** Whether the device has a session and is not known to be gone. */
  isConnected(node: string): boolean;
}

export interface NodesOptions {
  registry: Registry;
  cache: Cache;
  bus: Bus;
  clock: Clock;
  random: Random;
  log: Logger;
  /** The server's recorder. */
  events: EventRecorder;
  issuePodToken: IssuePodToken;
}

/** Resolves when devices are served: the cache is synced and everyone was called. */
export async function startNodes(options: NodesOptions): Promise<Nodes> {
  const { cache } = options;
  const informers = {
    pods: cache.informer(podKind),
    nodes: cache.informer(nodeKind),
    configMaps: cache.informer(configMapKind),
    secrets: cache.informer(secretKind),
    claims: cache.informer(persistentVolumeClaimKind),
    volumes: cache.informer(persistentVolumeKind),
    slices: cache.informer(resourceSliceKind),
    resourceClaims: cache.informer(resourceClaimKind),
    services: cache.informer(serviceKind),
    deployments: cache.informer(deploymentKind),
    daemonSets: cache.informer(daemonSetKind),
    statefulSets: cache.informer(statefulSetKind),
  };
  const accounts = cache.informer(serviceAccountKind);
  await cache.synced();
  const events = options.events.from('node-sessions');
  const sessions = new FleetSessions({ ...options, ...informers, events });
  sessions.start();
  const tokens = servePodTokens({
    ...options,
    pods: informers.pods,
    accounts,
    nodeUid: (node) => informers.nodes.get(undefined, node)?.metadata?.uid,
    issue: options.issuePodToken,
  });
  const reclaimed = followReclaimed({ ...options, volumes: informers.volumes });
  return {
    isConnected: (node) => sessions.isConnected(node),
    async [Symbol.asyncDispose]() {
      tokens[Symbol.dispose]();
      reclaimed[Symbol.dispose]();
      await sessions.stop();
      await events.idle();
    },
  };
}
