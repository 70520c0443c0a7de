import type { Pod, PodTemplateSpec } from '../../protocol/generated/models.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { controllerReference, storedMeta } from '../../protocol/kinds/stored-object.ts';
import type { ControllerContext } from './define-controller.ts';
import { ignoreGone, isNamespaceEnding, messageOf } from './expected-failures.ts';
import { nameOf } from './object-name.ts';
import type { WriteFence } from './write-fence.ts';

/** Makes and removes the pods of one owner: tells its fence of each write, and people in Kubernetes' words. */
export interface PodWork<O extends KubernetesObject> {
  context: ControllerContext;
  kind: KindDefinition<O>;
  owner: Readonly<O>;
  fence: WriteFence<Pod>;
  key: string;
}

export interface PodFailure {
  reason: 'FailedCreate' | 'FailedDelete';
  message: string;
}

/**
 * Makes the pods in batches of 1, 2, 4, … and stops at the first batch with a failure (Kubernetes' slow start): a
 * template that is always refused costs one request, not a thousand. Nothing fails in a namespace that is ending.
 */
export async function createPods<O extends KubernetesObject>(
  work: PodWork<O>,
  pods: readonly Pod[],
): Promise<PodFailure | undefined> {
  let made = 0;
  for (let batch = 1; made < pods.length; batch *= 2) {
    const results = await Promise.allSettled(
      pods.slice(made, made + batch).map((pod) => createPod(work, pod)),
    );
    made += batch;
    const failed = results.find((result) => result.status === 'rejected');
    if (!failed) continue;
    if (isNamespaceEnding(failed.reason)) return undefined;
    return failureOf(work, 'FailedCreate', `Error creating: ${messageOf(failed.reason)}`);
  }
  return undefined;
}

async function createPod<O extends KubernetesObject>(work: PodWork<O>, wanted: Pod): Promise<void> {
  const { context, kind, owner, fence, key } = work;
  const pod = await context.registry.create(podKind, wanted);
  fence.wrote(key, pod);
  context.events.record(kind, owner, {
    type: 'Normal',
    reason: 'SuccessfulCreate',
    message: `Created pod: ${storedMeta(pod).name}`,
  });
}

export async function removePods<O extends KubernetesObject>(
  work: PodWork<O>,
  pods: readonly Readonly<Pod>[],
): Promise<PodFailure | undefined> {
  const results = await Promise.allSettled(pods.map((pod) => removePod(work, pod)));
  const failed = results.find((result) => result.status === 'rejected');
  return failed && failureOf(work, 'FailedDelete', `Error deleting: ${messageOf(failed.reason)}`);
}

async function removePod<O extends KubernetesObject>(work: PodWork<O>, pod: Readonly<Pod>): Promise<void> {
  const { context, kind, owner, fence, key } = work;
  const { name, uid } = storedMeta(pod);
  const preconditions = { uid };
  const deleted = await context.registry.delete(podKind, nameOf(pod), { preconditions }).catch(ignoreGone);
  fence.deleted(key, uid);
  if (!deleted) return;
  context.events.record(kind, owner, {
    type: 'Normal',
    reason: 'SuccessfulDelete',
    message: `Deleted pod: ${name}`,
  });
}

function failureOf<O extends KubernetesObject>(
  { context, kind, owner }: PodWork<O>,
  reason: PodFailure['reason'],
  message: string,
): PodFailure {
  context.events.record(kind, owner, { type: 'Warning', reason, message });
  return { reason, message };
}

/** A pod of the owner, as the template says. Its name is made up unless the caller gives one. */
export function podFromTemplate<O extends KubernetesObject>(
  kind: KindDefinition<O>,
  owner: Readonly<O>,
  template: Readonly<PodTemplateSpec> | undefined,
): Pod & Required<Pick<Pod, 'metadata'>> {
  const { name, namespace } = storedMeta(owner);
  const { metadata, spec } = structuredClone(template) ?? {};
  return {
    metadata: {
      ...(namespace === undefined ? {} : { namespace }),
      generateName: `${name}-`,
      ...(metadata?.labels ? { labels: metadata.labels } : {}),
      ...(metadata?.annotations ? { annotations: metadata.annotations } : {}),
      ...(metadata?.finalizers ? { finalizers: metadata.finalizers } : {}),
      ownerReferences: [controllerReference(kind, owner)],
    },
    ...(spec ? { spec } : {}),
  };
}
