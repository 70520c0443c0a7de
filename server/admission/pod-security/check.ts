import type {
  Container,
  EphemeralContainer,
  ObjectMeta,
  PodSpec,
  SecurityContext,
} from '../../../protocol/generated/models.ts';

/** One rule of a level: why a pod breaks it, or undefined. */
export interface Check {
  /** Minor version of Kubernetes from which the rule holds. */
  since?: number;
  broken(pod: CheckedPod): Violation | undefined;
}

export interface CheckedPod {
  metadata: ObjectMeta;
  spec: PodSpec;
  /** All there are: init containers first, ephemeral ones last. */
  containers: readonly CheckedContainer[];
}

export type CheckedContainer = (Container | EphemeralContainer) & { securityContext?: SecurityContext };

export interface Violation {
  reason: string;
  detail: string;
}

export function checkedPod(metadata: ObjectMeta | undefined, spec: PodSpec): CheckedPod {
  const containers = [
    ...(spec.initContainers ?? []),
    ...spec.containers,
    ...(spec.ephemeralContainers ?? []),
  ];
  return { metadata: metadata ?? {}, spec, containers };
}

export function namesOf(containers: readonly CheckedContainer[]): string[] {
  return containers.map(({ name }) => name);
}

/** `container "a"`, or `containers "a", "b"`. */
export function containersText(names: readonly string[]): string {
  return `${plural('container', names)} ${quoted(names)}`;
}

export function plural(word: string, of: readonly unknown[]): string {
  return of.length === 1 ? word : `${word}s`;
}

export function quoted(values: readonly string[]): string {
  return values.map((value) => JSON.stringify(value)).join(', ');
}

/** A violation with these details, or none where there are none. */
export function violation(reason: string, details: readonly string[]): Violation | undefined {
  return details.length === 0 ? undefined : { reason, detail: details.join('; ') };
}
