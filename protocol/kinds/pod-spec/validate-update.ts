import type { Container, PodSpec, Toleration } from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { forbidden, invalid, sameValue } from '../cause.ts';
import { keepField } from '../object-parts.ts';

const unchangeable =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/**
 * What of a pod's spec may change once it exists. The node is not among it: that is set by binding
 * (source: k8s.io/kubernetes/pkg/apis/core/validation, ValidatePodUpdate).
 */
export function validatePodSpecUpdate(next: PodSpec, old: PodSpec): StatusCause[] {
  if (next === old) return [];
  const lists = (['containers', 'initContainers'] as const).filter(
    (list) => (next[list] ?? []).length !== (old[list] ?? []).length,
  );
  if (lists.length > 0) {
    return lists.map((list) => forbidden(`spec.${list}`, 'pod updates may not add or remove containers'));
  }
  const causes = [
    ...validateDeadline(next, old),
    ...validateAddedTolerations(next, old),
    ...validateEphemeral(next, old),
  ];
  const changed = changedFields(withAllowedChanges(next, old), old);
  if (changed.length > 0) causes.push(forbidden('spec', `${unchangeable}\nchanged: ${changed.join(', ')}`));
  return causes;
}

/** `next` with everything that may change taken back: what still differs was not allowed to. */
function withAllowedChanges(next: PodSpec, old: PodSpec): PodSpec {
  const same: PodSpec = { ...next, containers: withImages(next.containers, old.containers) };
  if (next.initContainers) same.initContainers = withImages(next.initContainers, old.initContainers);
  keepField(same, old, 'activeDeadlineSeconds');
  keepField(same, old, 'tolerations');
  keepField(same, old, 'ephemeralContainers');
  const grace = old.terminationGracePeriodSeconds ?? 0;
  if (grace < 0 && next.terminationGracePeriodSeconds === 1)
    keepField(same, old, 'terminationGracePeriodSeconds');
  if ((old.schedulingGates ?? []).length > 0) {
    takeBackGates(same, old);
  }
  return same;
}

/** A pod that waits behind gates may lose gates and narrow its choice of nodes. */
function takeBackGates(next: PodSpec, old: PodSpec): void {
  const before = old.schedulingGates ?? [];
  const kept = (next.schedulingGates ?? []).every(({ name }) => before.some((gate) => gate.name === name));
  if (kept) keepField(next, old, 'schedulingGates');
  const selected = next.nodeSelector ?? {};
  const narrower = Object.entries(old.nodeSelector ?? {}).every(([key, value]) => selected[key] === value);
  if (narrower) keepField(next, old, 'nodeSelector');
}

function withImages(next: readonly Container[], old: readonly Container[] = []): Container[] {
  return next.map((container, index) => {
    const image = old[index]?.image;
    return image === undefined ? container : { ...container, image };
  });
}

function changedFields(next: PodSpec, old: PodSpec): string[] {
  const keys = new Set([...Object.keys(next), ...Object.keys(old)] as (keyof PodSpec)[]);
  return [...keys].filter((key) => !sameValue(next[key], old[key])).map((key) => `spec.${key}`);
}

/** They come in by a subresource of their own, and can only be added. */
function validateEphemeral(next: PodSpec, old: PodSpec): StatusCause[] {
  const field = 'spec.ephemeralContainers';
  return (old.ephemeralContainers ?? []).flatMap((before) => {
    const after = next.ephemeralContainers?.find(({ name }) => name === before.name);
    if (after && sameValue(after, before)) return [];
    const what = after ? 'changed' : 'removed';
    return [forbidden(field, `existing ephemeral containers "${before.name}" may not be ${what}\n`)];
  });
}

function validateDeadline(next: PodSpec, old: PodSpec): StatusCause[] {
  const before = old.activeDeadlineSeconds;
  const after = next.activeDeadlineSeconds;
  if (before === undefined || after === before) return [];
  const field = 'spec.activeDeadlineSeconds';
  if (after === undefined)
    return [invalid(field, after, 'must not update from a positive integer to nil value')];
  return after > before ? [invalid(field, after, 'must be less than or equal to previous value')] : [];
}

function validateAddedTolerations(next: PodSpec, old: PodSpec): StatusCause[] {
  const after = next.tolerations ?? [];
  const kept = (old.tolerations ?? []).every((before) =>
    after.some((one) => sameValue(withoutSeconds(one), withoutSeconds(before))),
  );
  if (kept) return [];
  const detail = 'existing toleration can not be modified except its tolerationSeconds';
  return [forbidden('spec.tolerations', detail)];
}

function withoutSeconds(toleration: Toleration): Toleration {
  const rest = { ...toleration };
  delete rest.tolerationSeconds;
  return rest;
}
