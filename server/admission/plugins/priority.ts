import type { Pod, PriorityClass } from '../../../protocol/generated/models.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { priorityClassKind, systemPriorities } from '../../../protocol/kinds/priority-class.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { Informer } from '../../cache/informer.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import type { Registry } from '../../registry/registry.ts';
import { type AdmissionContext, defineAdmission } from '../define-admission.ts';
import { findObject } from '../find-object.ts';
import { isOneOf } from '../is-one-of.ts';
import { refusal } from '../refusal.ts';

/** Gives pods the priority of their class; keeps one class the default. */
export const priority = defineAdmission({
  name: 'Priority',
  setup({ cache, registry }) {
    const classes = cache.informer(priorityClassKind);
    return {
      handles: ({ kind, operation, subresource }) =>
        subresource === '' &&
        isOneOf(kind, podKind, priorityClassKind) &&
        (operation === 'CREATE' || operation === 'UPDATE'),
      async admit(request) {
        if (!isOneOf(request.kind, podKind)) return;
        if (request.operation === 'CREATE') await setPriority(request, { classes, registry });
        else keepPriority(request);
      },
      validate(request) {
        if (isOneOf(request.kind, priorityClassKind)) checkOnlyDefault(request, classes);
      },
    };
  },
});

/** The classes of the system itself, which pods of the system may name from the first moment on. */
export async function ensureSystemPriorityClasses(registry: Registry): Promise<void> {
  for (const [name, value] of Object.entries(systemPriorities)) {
    const description =
      name === 'system-node-critical'
        ? 'Used for system critical pods that must not be moved from their current node.'
        : 'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.';
    await registry
      .create(priorityClassKind, { metadata: { name }, value, description })
      .catch((error: unknown) => {
        if (!isStatus(error, 'AlreadyExists')) throw error;
      });
  }
}

type Parts = Pick<AdmissionContext, 'registry'> & { classes: Informer<PriorityClass> };

async function setPriority(request: AdmissionRequest, { classes, registry }: Parts): Promise<void> {
  const spec = ((request.object as Pod).spec ??= { containers: [] });
  const named = spec.priorityClassName;
  const found = named
    ? await findObject({ registry, informer: classes }, { name: named })
    : defaultClass(classes);
  if (named && !found) throw refusal(request, `no PriorityClass with name ${named} was found`);
  if (!named && found) spec.priorityClassName = found.metadata?.name ?? '';
  const value = found?.value ?? 0;
  if (spec.priority !== undefined && spec.priority !== null && spec.priority !== value)
    throw refusal(
      request,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
    );
  spec.priority = value;
  const policy = found?.preemptionPolicy ?? 'PreemptLowerPriority';
  if (spec.preemptionPolicy && spec.preemptionPolicy !== policy)
    throw refusal(
      request,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
    );
  spec.preemptionPolicy = policy;
}

/** A client that sends a pod back without what was set for it shall not have to know. */
function keepPriority({ object, oldObject }: AdmissionRequest): void {
  const { spec } = object as Pod;
  const { priority, preemptionPolicy } = (oldObject as Pod | undefined)?.spec ?? {};
  if (!spec) return;
  if (priority !== undefined) spec.priority ??= priority;
  if (preemptionPolicy !== undefined) spec.preemptionPolicy ??= preemptionPolicy;
}

function checkOnlyDefault(request: AdmissionRequest, classes: Informer<PriorityClass>): void {
  const wanted = request.object as PriorityClass;
  if (!wanted.globalDefault) return;
  const known = defaultClass(classes)?.metadata?.name;
  if (known === undefined || (request.operation === 'UPDATE' && known === wanted.metadata?.name)) return;
  throw refusal(request, `PriorityClass ${known} is already marked as globalDefault`);
}

/** Should there be several defaults, the lowest counts. */
function defaultClass(classes: Informer<PriorityClass>): Readonly<PriorityClass> | undefined {
  let lowest: Readonly<PriorityClass> | undefined;
  for (const each of classes.list())
    if (each.globalDefault && (!lowest || (each.value ?? 0) < (lowest.value ?? 0))) lowest = each;
  return lowest;
}
