import type { Container, Pod } from '../../protocol/generated/models.ts';
import { podClaimNames } from '../../protocol/kinds/pod-claims.ts';
import { heldSpec } from '../../protocol/kinds/pod-spec/held-resources.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import { volumeClaimNames } from '../../protocol/match-volume.ts';
import { quantityMillis, quantityValue } from '../../protocol/quantity.ts';
import { type Refusal, refusalsOf } from '../registry/refusals.ts';

/** Amounts by resource name: cpu in thousandths of a core, all else in its own unit (bytes, pieces). */
export type Amounts = Record<string, number>;

/** What the scheduler needs of a pod, worked out once. */
export interface PodRequest {
  /** As the cache showed it last: an older one would be kept in memory for it. */
  pod: Readonly<Pod>;
  readonly uid: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of spec.priority; 0 when it has none. */
  readonly priority: number;
  /** It is being deleted. */
  readonly isTerminating: boolean;
  readonly requests: Readonly<Amounts>;
  /** `requests` as pairs, without those of nothing. */
  readonly amounts: readonly (readonly [name: string, amount: number])[];
  /** `TCP/0.0.0.0/8080` of each host port. */
  readonly hostPorts: readonly string[];
  /** Refusals that hold, by node. */
  readonly refusals: ReadonlyMap<string, Refusal>;
}

const noRefusals: ReadonlyMap<string, Refusal> = new Map();

export function podRequest(
  pod: Readonly<Pod>,
  refusals: ReadonlyMap<string, Refusal> = noRefusals,
): PodRequest {
  const requests = effectiveRequests(pod);
  const amounts = Object.entries(requests).filter(([, amount]) => amount > 0);
  const { uid, namespace = '', labels = {}, deletionTimestamp } = storedMeta(pod);
  return {
    pod,
    uid,
    namespace,
    labels,
    priority: pod.spec?.priority ?? 0,
    isTerminating: deletionTimestamp !== undefined,
    requests,
    amounts,
    hostPorts: hostPortsOf(pod),
    refusals,
  };
}

/** What holds now of a pod's refusals. One from the future was noted by a clock that was wrong. */
export function liveRefusals(pod: Readonly<Pod>, nowMs: number): ReadonlyMap<string, Refusal> {
  const live = refusalsOf(pod).filter(({ sinceMs, untilMs }) => sinceMs <= nowMs && nowMs < untilMs);
  return live.length === 0 ? noRefusals : new Map(live.map((refusal) => [refusal.node, refusal]));
}

/** Labels that tell the replicas of one workload apart; no selector in use is about them. */
const serialLabels: readonly string[] = [
  'apps.kubernetes.io/pod-index',
  'batch.kubernetes.io/job-completion-index',
  'statefulset.kubernetes.io/pod-name',
];

/** Equal for pods that fit the same nodes: all that any filter reads. */
export function shapeOf({
  pod,
  namespace,
  labels,
  priority,
  amounts,
  hostPorts,
  refusals,
}: PodRequest): string {
  const spec = pod.spec;
  const own = Object.entries(labels).filter(([name]) => !serialLabels.includes(name));
  return JSON.stringify([
    [namespace, own, priority, spec?.preemptionPolicy, spec?.schedulerName],
    [
      amounts,
      hostPorts,
      spec?.nodeSelector,
      spec?.affinity,
      spec?.tolerations,
      spec?.topologySpreadConstraints,
    ],
    [volumeClaimNames(pod), spec?.resourceClaims, podClaimNames(pod), [...refusals.keys()]],
  ]);
}

/**
 * Kubernetes' PodRequests: the containers' sum with restartable init containers, or the largest init container with the
 * sidecars started before it where that is more; plus overhead. What a node has not taken back yet counts, too.
 */
function effectiveRequests(pod: Readonly<Pod>): Amounts {
  const spec = heldSpec(pod);
  const requests: Amounts = {};
  for (const container of spec?.containers ?? []) addTo(requests, requestsOf(container));
  const sidecars: Amounts = {};
  const initial: Amounts = {};
  for (const container of spec?.initContainers ?? []) {
    const own = requestsOf(container);
    if (container.restartPolicy === 'Always') {
      addTo(sidecars, own);
      maxInto(initial, sidecars);
    } else {
      maxInto(initial, addTo({ ...sidecars }, own));
    }
  }
  maxInto(addTo(requests, sidecars), initial);
  addTo(requests, amountsOf(spec?.overhead));
  requests.pods = 1;
  return requests;
}

function hostPortsOf({ spec }: Readonly<Pod>): string[] {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? []).filter(isSidecar)];
  return containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, protocol, hostIP }) =>
      hostPort ? [`${protocol ?? 'TCP'}/${hostIP || '0.0.0.0'}/${hostPort}`] : [],
    ),
  );
}

function isSidecar({ restartPolicy }: Readonly<Container>): boolean {
  return restartPolicy === 'Always';
}

function requestsOf({ resources }: Readonly<Container>): Amounts {
  return amountsOf({ ...resources?.limits, ...resources?.requests });
}

export function amountsOf(quantities: Readonly<Record<string, string>> | undefined): Amounts {
  const amounts: Amounts = {};
  for (const [name, text] of Object.entries(quantities ?? {})) {
    amounts[name] = name === 'cpu' ? quantityMillis(text) : quantityValue(text);
  }
  return amounts;
}

function addTo(target: Amounts, more: Readonly<Amounts>): Amounts {
  for (const [name, amount] of Object.entries(more)) target[name] = (target[name] ?? 0) + amount;
  return target;
}

function maxInto(target: Amounts, other: Readonly<Amounts>): void {
  for (const [name, amount] of Object.entries(other)) target[name] = Math.max(target[name] ?? 0, amount);
}
