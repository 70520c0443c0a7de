import type { Pod, PodSpec, RuntimeClass, Toleration } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { runtimeClassKind } from '../../../protocol/kinds/runtime-class.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import type { Registry } from '../../registry/registry.ts';
import { defineAdmission } from '../define-admission.ts';
import { findObject } from '../find-object.ts';
import { isOneOf } from '../is-one-of.ts';
import { refusal } from '../refusal.ts';

/** Gives pods the overhead and the placement of their runtime's class. */
export const runtimeClass = defineAdmission({
  name: 'RuntimeClass',
  setup({ cache, registry }) {
    const informer = cache.informer(runtimeClassKind);
    const classOf = async (request: AdmissionRequest): Promise<Readonly<RuntimeClass> | undefined> => {
      const name = (request.object as Pod).spec?.runtimeClassName;
      if (!name) return undefined;
      const found = await findObject({ registry, informer }, { name });
      if (!found) throw refusal(request, `pod rejected: RuntimeClass "${name}" not found`);
      return found;
    };
    return {
      handles: ({ kind, operation, subresource }) =>
        subresource === '' && operation === 'CREATE' && isOneOf(kind, podKind),
      async admit(request) {
        const { spec } = request.object as Pod;
        const found = await classOf(request);
        if (!spec || !found) return;
        const overhead = found.overhead?.podFixed;
        if (overhead && !spec.overhead) spec.overhead = { ...overhead };
        place(request, spec, found.scheduling);
      },
      async validate(request) {
        const { overhead } = (request.object as Pod).spec ?? {};
        const wanted = (await classOf(request))?.overhead?.podFixed;
        if (wanted && !sameValue(wanted, overhead))
          throw refusal(
            request,
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
          );
        if (!wanted && overhead && Object.keys(overhead).length > 0)
          throw refusal(
            request,
            'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
          );
      },
    };
  },
});

/** The runtimes that devices have of themselves. */
const builtIn = ['oci', 'process'];

export async function ensureRuntimeClasses(registry: Registry): Promise<void> {
  for (const name of builtIn) {
    await registry.create(runtimeClassKind, { metadata: { name }, handler: name }).catch((error: unknown) => {
      if (!isStatus(error, 'AlreadyExists')) throw error;
    });
  }
}

function place(request: AdmissionRequest, spec: PodSpec, scheduling: RuntimeClass['scheduling']): void {
  if (!scheduling) return;
  for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {})) {
    const own = (spec.nodeSelector ??= {});
    if (Object.hasOwn(own, key) && own[key] !== value)
      throw refusal(
        request,
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own[key]}`,
      );
    own[key] = value;
  }
  const added = (scheduling.tolerations ?? []).filter((wanted) => !isAmong(spec.tolerations, wanted));
  if (added.length > 0) spec.tolerations = [...(spec.tolerations ?? []), ...structuredClone(added)];
}

function isAmong(tolerations: readonly Toleration[] | undefined, wanted: Toleration): boolean {
  return tolerations?.some((each) => sameValue(each, wanted)) ?? false;
}
