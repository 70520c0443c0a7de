import type {
  PersistentVolumeClaim,
  Pod,
  PodTemplateSpec,
  StatefulSet,
} from '../../../protocol/generated/models.ts';
import { statefulSetKind } from '../../../protocol/kinds/stateful-set.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { revisionHashLabel } from '../controller-revisions.ts';
import { podFromTemplate } from '../pod-control.ts';

/** Names of what belongs to one ordinal of a StatefulSet, and its pod. Pure. */
const podNameLabel = 'statefulset.kubernetes.io/pod-name';
const podIndexLabel = 'apps.kubernetes.io/pod-index';

/** The ordinals the set shall have now: from `start`, `count` of them. */
export function ordinalsOf({ spec }: Readonly<StatefulSet>): { start: number; count: number } {
  return { start: spec?.ordinals?.start ?? 0, count: spec?.replicas ?? 1 };
}

/** The ordinal of a pod by its name; undefined for one that cannot be of this set. */
export function ordinalOf(set: Readonly<StatefulSet>, pod: Readonly<Pod>): number | undefined {
  const [, parent, digits] = /^(.*)-(\d{1,9})$/.exec(storedMeta(pod).name) ?? [];
  return parent === storedMeta(set).name ? Number(digits) : undefined;
}

export function podName(set: Readonly<StatefulSet>, ordinal: number): string {
  return `${storedMeta(set).name}-${ordinal}`;
}

export function claimName(
  set: Readonly<StatefulSet>,
  template: Readonly<PersistentVolumeClaim>,
  ordinal: number,
): string {
  return `${template.metadata?.name}-${podName(set, ordinal)}`;
}

export function claimNames(set: Readonly<StatefulSet>, ordinal: number): string[] {
  return (set.spec?.volumeClaimTemplates ?? []).map((template) => claimName(set, template, ordinal));
}

export function revisionOf({ metadata }: Readonly<Pod>): string | undefined {
  return metadata?.labels?.[revisionHashLabel];
}

function identityLabels(set: Readonly<StatefulSet>, ordinal: number): Record<string, string> {
  return { [podNameLabel]: podName(set, ordinal), [podIndexLabel]: String(ordinal) };
}

export function hasIdentity(set: Readonly<StatefulSet>, pod: Readonly<Pod>, ordinal: number): boolean {
  const labels = pod.metadata?.labels ?? {};
  return Object.entries(identityLabels(set, ordinal)).every(([key, value]) => labels[key] === value);
}

/** In place. */
export function giveIdentity(set: Readonly<StatefulSet>, draft: Pod, ordinal: number): void {
  (draft.metadata ??= {}).labels = { ...draft.metadata.labels, ...identityLabels(set, ordinal) };
}

export function buildPod(
  set: Readonly<StatefulSet>,
  { ordinal, template, revision }: { ordinal: number; template: Readonly<PodTemplateSpec>; revision: string },
): Pod {
  const pod = podFromTemplate(statefulSetKind, set, template);
  delete pod.metadata.generateName;
  const name = podName(set, ordinal);
  pod.metadata.name = name;
  pod.metadata.labels = { ...pod.metadata.labels, [revisionHashLabel]: revision };
  giveIdentity(set, pod, ordinal);
  if (!pod.spec) return pod;
  pod.spec.hostname = name;
  if (set.spec?.serviceName) pod.spec.subdomain = set.spec.serviceName;
  const claimed = (set.spec?.volumeClaimTemplates ?? []).map((claim) => ({
    name: claim.metadata?.name ?? '',
    persistentVolumeClaim: { claimName: claimName(set, claim, ordinal) },
  }));
  const others = (pod.spec.volumes ?? []).filter((volume) =>
    claimed.every(({ name }) => name !== volume.name),
  );
  if (claimed.length > 0) pod.spec.volumes = [...claimed, ...others];
  return pod;
}

export function buildClaims(set: Readonly<StatefulSet>, ordinal: number): PersistentVolumeClaim[] {
  const { namespace = '' } = storedMeta(set);
  return (set.spec?.volumeClaimTemplates ?? []).map((template) => {
    const { apiVersion: _version, kind: _kind, status: _status, ...claim } = structuredClone(template);
    return {
      ...claim,
      metadata: {
        ...claim.metadata,
        namespace,
        name: claimName(set, template, ordinal),
        labels: { ...claim.metadata?.labels, ...set.spec?.selector.matchLabels },
      },
    };
  });
}
