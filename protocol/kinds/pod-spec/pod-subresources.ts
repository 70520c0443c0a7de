import type {
  Container,
  EphemeralContainer,
  Pod,
  PodSpec,
  ResourceRequirements,
} from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { forbidden, invalid, notFound, sameValue } from '../cause.ts';
import { qosClassOf } from './resources.ts';

/**
 * Of a write through `pods/ephemeralcontainers` or `pods/resize` only the part counts that the door is for. By any other
 * door ephemeral containers stay as they are, also for a client that does not know them.
 */
export function takeSubresource(next: Pod, old: Pod, subresource: string): void {
  if (!old.spec || !next.spec) return;
  const { ephemeralContainers } = subresource === 'ephemeralcontainers' ? next.spec : old.spec;
  if (subresource === 'ephemeralcontainers' || subresource === 'resize') {
    next.metadata = { ...old.metadata };
    next.spec = subresource === 'resize' ? withResources(old.spec, next.spec) : { ...old.spec };
  }
  if (ephemeralContainers) next.spec.ephemeralContainers = ephemeralContainers;
  else delete next.spec.ephemeralContainers;
}

function withResources(old: PodSpec, next: PodSpec | undefined): PodSpec {
  const taken = (container: Container, list: readonly Container[] = []): Container => {
    const sent = list.find(({ name }) => name === container.name);
    if (!sent) return container;
    const { resources, resizePolicy } = sent;
    const { resources: _resources, resizePolicy: _policy, ...rest } = container;
    return { ...rest, ...(resources ? { resources } : {}), ...(resizePolicy ? { resizePolicy } : {}) };
  };
  const { initContainers, resources: _whole, ...others } = old;
  const resources = next?.resources ?? old.resources;
  return {
    ...others,
    ...(resources ? { resources } : {}),
    containers: old.containers.map((container) => taken(container, next?.containers)),
    ...(initContainers
      ? { initContainers: initContainers.map((container) => taken(container, next?.initContainers)) }
      : {}),
  };
}

/** A container for debugging may name the one that it looks into. */
export function validateEphemeralTargets(spec: PodSpec): StatusCause[] {
  return (spec.ephemeralContainers ?? []).flatMap((container, index) =>
    validateTarget(container, spec, `spec.ephemeralContainers[${index}]`),
  );
}

function validateTarget(
  { targetContainerName }: EphemeralContainer,
  { containers, initContainers = [] }: PodSpec,
  field: string,
): StatusCause[] {
  if (!targetContainerName) return [];
  const exists = [...containers, ...initContainers].some(({ name }) => name === targetContainerName);
  return exists ? [] : [notFound(`${field}.targetContainerName`, targetContainerName)];
}

const resizable = new Set(['cpu', 'memory']);

/** Only processor time and memory change in place, and the class stays (source: k8s validation, ValidatePodResize). */
export function validateResize(next: PodSpec, old: PodSpec): StatusCause[] {
  const causes = (['containers', 'initContainers'] as const).flatMap((list) =>
    (old[list] ?? []).flatMap((before, index) => {
      const after = next[list]?.[index];
      return after
        ? validateResourcesResize(after.resources, before.resources, `spec.${list}[${index}]`)
        : [];
    }),
  );
  causes.push(...validateResourcesResize(next.resources, old.resources, 'spec'));
  const [classAfter, classBefore] = [qosClassOf(next), qosClassOf(old)];
  return classAfter === classBefore
    ? causes
    : [...causes, invalid('spec', classAfter, 'Pod QOS Class may not change as a result of resizing')];
}

function validateResourcesResize(
  after: ResourceRequirements | undefined,
  before: ResourceRequirements | undefined,
  field: string,
): StatusCause[] {
  return (['limits', 'requests'] as const).flatMap((part) => {
    const now = { ...after?.[part] };
    const was = { ...before?.[part] };
    const names = new Set([...Object.keys(now), ...Object.keys(was)]);
    return [...names].flatMap((name) => {
      if (sameValue(now[name], was[name])) return [];
      if (!resizable.has(name)) return [forbidden('spec', 'only cpu and memory resources are mutable')];
      if (now[name] !== undefined) return [];
      return [forbidden(`${field}.resources.${part}`, `resource ${part} cannot be removed`)];
    });
  });
}
