import type {
  DaemonSet,
  Node,
  Pod,
  PodSpec,
  PodTemplateSpec,
  Toleration,
} from '../../../protocol/generated/models.ts';
import { daemonSetKind } from '../../../protocol/kinds/daemon-set.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { selectsNode } from '../../../protocol/node-selection.ts';
import { tolerates } from '../../../protocol/tolerations.ts';
import { revisionHashLabel } from '../controller-revisions.ts';
import { podFromTemplate } from '../pod-control.ts';

/** Where the pods of a DaemonSet belong, and how one is made for a node. Pure; the rules are Kubernetes'. */
export interface NodeFit {
  /** A pod shall be there. */
  shouldRun: boolean;
  /** One that is there may stay. */
  mayStay: boolean;
}

const prefix = 'node.kubernetes.io/';

/** Pods of a DaemonSet stay on a node in trouble: they are the ones who look after it. */
const ownTolerations: readonly Toleration[] = [
  { key: `${prefix}not-ready`, operator: 'Exists', effect: 'NoExecute' },
  { key: `${prefix}unreachable`, operator: 'Exists', effect: 'NoExecute' },
  { key: `${prefix}disk-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${prefix}memory-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${prefix}pid-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${prefix}unschedulable`, operator: 'Exists', effect: 'NoSchedule' },
];
const networkToleration: Toleration = {
  key: `${prefix}network-unavailable`,
  operator: 'Exists',
  effect: 'NoSchedule',
};

export function daemonTolerations(spec: Readonly<PodSpec> | undefined): Toleration[] {
  const own = spec?.hostNetwork ? [...ownTolerations, networkToleration] : ownTolerations;
  const given = spec?.tolerations ?? [];
  const same = (a: Toleration, b: Toleration) =>
    a.key === b.key && a.effect === b.effect && a.operator === b.operator;
  return [...given, ...own.filter((toleration) => !given.some((one) => same(one, toleration)))];
}

/** `tolerations`: as `daemonTolerations` gives them for the template; worked out once for all nodes. */
export function fitOf(
  { template }: { template: Readonly<PodTemplateSpec> | undefined },
  node: Readonly<Node>,
  tolerations: readonly Toleration[],
): NodeFit {
  const { name, labels = {} } = storedMeta(node);
  const spec = template?.spec;
  const named = !spec?.nodeName || spec.nodeName === name;
  if (!named || !selectsNode(spec, { name, labels })) return { shouldRun: false, mayStay: false };
  const against = (node.spec?.taints ?? []).filter(
    (taint) => !tolerations.some((toleration) => tolerates(toleration, taint)),
  );
  const mayStay = against.every(({ effect }) => effect !== 'NoExecute');
  return { shouldRun: against.every(({ effect }) => effect === 'PreferNoSchedule'), mayStay };
}

/** The node a pod of a DaemonSet is on or is meant for; undefined when it is anybody's. */
export function targetNode({ spec }: Readonly<Pod>): string | undefined {
  if (spec?.nodeName) return spec.nodeName;
  const terms =
    spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  for (const { matchFields = [] } of terms ?? []) {
    const [field] = matchFields;
    if (matchFields.length === 1 && field?.key === 'metadata.name' && field.operator === 'In')
      return field.values?.[0];
  }
  return undefined;
}

/** The scheduler binds the pod, as it does any; its affinity leaves one node to choose from. */
export function buildPod(daemonSet: Readonly<DaemonSet>, node: string, hash: string): Pod {
  const pod = podFromTemplate(daemonSetKind, daemonSet, daemonSet.spec?.template);
  pod.metadata.labels = { ...pod.metadata.labels, [revisionHashLabel]: hash };
  if (!pod.spec) return pod;
  const onlyThere = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] };
  pod.spec.tolerations = daemonTolerations(pod.spec);
  pod.spec.affinity = {
    ...pod.spec.affinity,
    nodeAffinity: {
      ...pod.spec.affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [onlyThere] },
    },
  };
  return pod;
}
