import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';
import { StatusError } from '../../protocol/status.ts';
import { reviewedWrite, writeReviewed } from './admission.ts';
import { decode, encode } from './codec.ts';
import { type RegistryContext, readEntry, retryWrite } from './context.ts';
import { conflict } from './failures.ts';
import { addRefusal } from './refusals.ts';
import type { BindOptions, ObjectName, Veto } from './registry.ts';
import { requireUid } from './replace-object.ts';

/** Binding pods to nodes: the two writes that change spec.nodeName, which no update may. */
interface PodShape extends KubernetesObject {
  spec?: { nodeName?: string };
  status?: PodStatusShape;
}

interface PodStatusShape {
  phase?: string;
  qosClass?: string;
  conditions?: Condition[];
}

interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

/** Returns the pod's new resourceVersion. */
export async function bindPod(
  context: RegistryContext,
  at: ObjectName,
  { podUid, node, options = {} }: { podUid: string; node: string; options?: BindOptions | undefined },
): Promise<string> {
  const { dryRun = false } = options;
  const write = () => changePod(context, at, { podUid, dryRun }, assign);
  const object = bindingOf(at, { podUid, node });
  const reviewed = reviewedWrite(context, podKindOf(context), {
    operation: 'CREATE',
    options: { ...options, subresource: 'binding' },
    object,
  });
  if (!reviewed) return write();
  await reviewed.review.admit(reviewed.request);
  return writeReviewed(reviewed, write);

  function assign(pod: PodShape, now: number): void {
    const bound = pod.spec?.nodeName;
    if (bound) throw refuseBinding(at, `pod ${at.name} is already assigned to node "${bound}"`);
    pod.spec = { ...pod.spec, nodeName: node };
    pod.status = withCondition(pod.status, {
      type: 'PodScheduled',
      status: 'True',
      lastTransitionTime: timestamp(now),
    });
  }
}

function bindingOf({ namespace = '', name }: ObjectName, { podUid, node }: { podUid: string; node: string }) {
  return {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { namespace, name, uid: podUid },
    target: { kind: 'Node', name: node },
  };
}

export async function unbindPod(context: RegistryContext, at: ObjectName, veto: Veto): Promise<void> {
  await changePod(context, at, { podUid: veto.podUid }, (pod, now) => {
    const bound = pod.spec?.nodeName ?? '';
    if (bound !== veto.node) {
      throw refuseBinding(at, `pod ${at.name} is assigned to node "${bound}", not to "${veto.node}"`);
    }
    delete pod.spec?.nodeName;
    const { qosClass, conditions } = pod.status ?? {};
    pod.status = withCondition(
      { phase: 'Pending', ...(qosClass ? { qosClass } : {}), conditions: onlyScheduled(conditions) },
      {
        type: 'PodScheduled',
        status: 'False',
        reason: veto.reason,
        message: veto.message,
        lastTransitionTime: timestamp(now),
      },
    );
    addRefusal(pod, veto.node, now);
  });
}

async function changePod(
  context: RegistryContext,
  at: ObjectName,
  { podUid, dryRun = false }: { podUid: string; dryRun?: boolean },
  change: (pod: PodShape, now: number) => void,
): Promise<string> {
  const kind = podKindOf(context);
  return retryWrite(kind, at.name, async () => {
    const entry = await readEntry(context, kind, at);
    const pod = decode(kind, entry);
    requireUid(kind, pod, podUid);
    if (pod.metadata?.deletionTimestamp) {
      throw refuseBinding(at, `pod ${at.name} is being deleted, cannot be assigned to a host`);
    }
    change(pod, context.clock.now());
    if (dryRun) return String(entry.revision);
    return String(await context.store.update(entry.key, encode(pod), entry.revision));
  });
}

function podKindOf({ kindOf }: RegistryContext): KindDefinition<PodShape> {
  const kind = kindOf('', 'pods');
  if (!kind) throw new StatusError('InternalError', 'Internal error occurred: this server knows no pods');
  return kind;
}

function refuseBinding(at: ObjectName, why: string): StatusError {
  return conflict({ group: '', kind: 'Pod', plural: 'pods/binding' }, at.name, why);
}

function onlyScheduled(conditions: readonly Condition[] | undefined): Condition[] {
  return (conditions ?? []).filter(({ type }) => type === 'PodScheduled');
}

/** The time of the last transition stays when the condition's status does. */
function withCondition(status: PodStatusShape | undefined, condition: Condition): PodStatusShape {
  const others = (status?.conditions ?? []).filter(({ type }) => type !== condition.type);
  const before = status?.conditions?.find(({ type }) => type === condition.type);
  const kept =
    before?.status === condition.status && before.lastTransitionTime
      ? { lastTransitionTime: before.lastTransitionTime }
      : {};
  return { ...status, conditions: [...others, { ...condition, ...kept }] };
}
