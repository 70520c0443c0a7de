import type { Deployment, ReplicaSet } from '../../../protocol/generated/models.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { controllerReference, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { templateHash, templateHashLabel } from '../template-hash.ts';
import { boundsOf, desiredAnnotation, maxAnnotation, sizeAnnotations } from './scaling.ts';

export const revisionAnnotation = 'deployment.kubernetes.io/revision';
/** The numbers that a set had before it became the newest again. */
const historyAnnotation = 'deployment.kubernetes.io/revision-history';
const historyCharactersMax = 2000;

/** What says something about the Deployment alone. */
const ownAnnotations = new Set([
  revisionAnnotation,
  historyAnnotation,
  desiredAnnotation,
  maxAnnotation,
  'deprecated.deployment.rollback.to',
  'kubectl.kubernetes.io/last-applied-configuration',
]);

/** The ReplicaSet of a Deployment's template. Pure. */
export function buildSet(
  deployment: Readonly<Deployment>,
  { replicas, revision }: { replicas: number; revision: number },
): ReplicaSet {
  const { name, namespace = '' } = storedMeta(deployment);
  const spec = deployment.spec;
  if (!spec) throw new TypeError('a stored Deployment has a spec');
  const hash = templateHash(spec.template, deployment.status?.collisionCount ?? 0);
  const template = structuredClone(spec.template);
  const labels = { ...template.metadata?.labels, [templateHashLabel]: hash };
  return {
    metadata: {
      namespace,
      name: `${name}-${hash}`,
      labels,
      annotations: {
        ...inheritedAnnotations(deployment),
        ...sizeAnnotations(boundsOf(deployment)),
        [revisionAnnotation]: String(revision),
      },
      ownerReferences: [controllerReference(deploymentKind, deployment)],
    },
    spec: {
      replicas,
      minReadySeconds: spec.minReadySeconds ?? 0,
      selector: {
        ...spec.selector,
        matchLabels: { ...spec.selector.matchLabels, [templateHashLabel]: hash },
      },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** A set keeps its Deployment's annotations, so that `kubectl rollout history` shows the change cause. */
function inheritedAnnotations(deployment: Readonly<Deployment>): Record<string, string> {
  const annotations = Object.entries(deployment.metadata?.annotations ?? {});
  return Object.fromEntries(annotations.filter(([key]) => !ownAnnotations.has(key)));
}

/** Whether the newest set shows its Deployment's annotations and minReadySeconds, and at least this revision. */
export function isInStep(
  deployment: Readonly<Deployment>,
  set: Readonly<ReplicaSet>,
  revision: number,
): boolean {
  const annotations = set.metadata?.annotations ?? {};
  return (
    revisionOf(set) >= revision &&
    (set.spec?.minReadySeconds ?? 0) === (deployment.spec?.minReadySeconds ?? 0) &&
    Object.entries(inheritedAnnotations(deployment)).every(([key, value]) => annotations[key] === value)
  );
}

/** Makes it so, in place. */
export function bringInStep(deployment: Readonly<Deployment>, draft: ReplicaSet, revision: number): void {
  const meta = storedMeta(draft);
  const before = revisionOf(draft);
  meta.annotations = {
    ...meta.annotations,
    ...inheritedAnnotations(deployment),
    ...(before > 0 && before < revision ? withHistory(meta.annotations ?? {}, before) : {}),
    [revisionAnnotation]: String(Math.max(revision, before)),
  };
  if (draft.spec) draft.spec.minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
}

function withHistory(annotations: Readonly<Record<string, string>>, before: number): Record<string, string> {
  const numbers = [...(annotations[historyAnnotation]?.split(',') ?? []), String(before)];
  while (numbers.join(',').length > historyCharactersMax) numbers.shift();
  return { [historyAnnotation]: numbers.join(',') };
}

export function revisionOf(object: Readonly<ReplicaSet | Deployment>): number {
  const revision = Number(object.metadata?.annotations?.[revisionAnnotation] ?? 0);
  return Number.isSafeInteger(revision) ? revision : 0;
}
