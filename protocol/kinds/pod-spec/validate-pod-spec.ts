import type {
  PodSpec,
  PodTemplateSpec,
  Toleration,
  TopologySpreadConstraint,
} from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import {
  forbidden,
  invalid,
  invalidFor,
  nonNegative,
  oneOf,
  optionalOneOf,
  required,
  tooLong,
} from '../cause.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsLabel, dnsSubdomain, isIpAddress, labelValue, qualifiedName } from '../name-rules.ts';
import { validateAnnotations, validateLabels } from '../object-meta.ts';
import { validateAffinity } from './validate-affinity.ts';
import { restartPolicies, validateContainers } from './validate-container.ts';
import { validateNodeSelector, validateReference } from './validate-environment.ts';
import { validateResources } from './validate-resources.ts';
import { validatePodSecurity } from './validate-security.ts';
import { validateVolumes } from './validate-volume.ts';

/** Source of rules and wording: k8s.io/kubernetes/pkg/apis/core/validation. */
export function validatePodSpec(spec: PodSpec, field: string): StatusCause[] {
  return [
    ...validateVolumes(spec.volumes ?? [], `${field}.volumes`),
    ...validateContainers(spec, field),
    ...oneOf(`${field}.restartPolicy`, spec.restartPolicy, restartPolicies),
    ...validateDns(spec, field),
    ...validateDurations(spec, field),
    ...validateNodeSelector(spec.nodeSelector, `${field}.nodeSelector`),
    ...validatePodSecurity(spec, `${field}.securityContext`),
    ...optionalOneOf(`${field}.preemptionPolicy`, spec.preemptionPolicy, ['PreemptLowerPriority', 'Never']),
    ...(spec.imagePullSecrets ?? []).flatMap(({ name }, index) =>
      name ? [] : [required(`${field}.imagePullSecrets[${index}].name`)],
    ),
    ...validateAffinity(spec.affinity ?? {}, `${field}.affinity`),
    ...validateNames(spec, field),
    ...validateHostnameOverride(spec, field),
    ...validateResources(spec.resources, `${field}.resources`),
    ...(spec.resources?.claims
      ? [forbidden(`${field}.resources.claims`, 'may not be set for Resources at pod-level')]
      : []),
    ...validateTolerations(spec.tolerations ?? [], `${field}.tolerations`),
    ...validateHostAliases(spec, field),
    ...validateSpread(spec.topologySpreadConstraints ?? [], `${field}.topologySpreadConstraints`),
  ];
}

export function validatePodTemplate(template: PodTemplateSpec, field: string): StatusCause[] {
  const spec = template.spec;
  return [
    ...validateLabels(template.metadata?.labels, `${field}.labels`),
    ...validateAnnotations(template.metadata?.annotations, `${field}.annotations`),
    ...(spec ? validatePodSpec(spec, `${field}.spec`) : [required(`${field}.spec.containers`)]),
    ...((spec?.ephemeralContainers ?? []).length > 0
      ? [forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template')]
      : []),
  ];
}

const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];

function validateDns({ dnsPolicy, dnsConfig }: PodSpec, field: string): StatusCause[] {
  const causes = oneOf(`${field}.dnsPolicy`, dnsPolicy, dnsPolicies);
  const nameservers = dnsConfig?.nameservers ?? [];
  if (dnsPolicy === 'None' && !dnsConfig) {
    causes.push(required(`${field}.dnsConfig`, 'must provide `dnsConfig` when `dnsPolicy` is None'));
  } else if (dnsPolicy === 'None' && nameservers.length === 0) {
    const detail = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
    causes.push(required(`${field}.dnsConfig.nameservers`, detail));
  }
  nameservers.forEach((address, index) => {
    if (isIpAddress(address)) return;
    const path = `${field}.dnsConfig.nameservers[${index}]`;
    causes.push(invalid(path, address, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'));
  });
  return causes;
}

function validateDurations(spec: PodSpec, field: string): StatusCause[] {
  const { activeDeadlineSeconds, terminationGracePeriodSeconds: grace } = spec;
  const causes = nonNegative(`${field}.terminationGracePeriodSeconds`, grace);
  if (
    activeDeadlineSeconds !== undefined &&
    !(activeDeadlineSeconds >= 1 && activeDeadlineSeconds < 2 ** 31)
  ) {
    const detail = 'must be between 1 and 2147483647, inclusive';
    causes.push(invalid(`${field}.activeDeadlineSeconds`, activeDeadlineSeconds, detail));
  }
  return causes;
}

function validateNames(spec: PodSpec, field: string): StatusCause[] {
  const named = (name: 'serviceAccountName' | 'nodeName' | 'runtimeClassName' | 'priorityClassName') =>
    spec[name] ? validateReference(spec[name], `${field}.${name}`) : [];
  const labelled = (name: 'hostname' | 'subdomain') =>
    spec[name] ? invalidFor(`${field}.${name}`, spec[name], dnsLabel(spec[name])) : [];
  const scheduler = spec.schedulerName;
  return [
    ...named('serviceAccountName'),
    ...named('nodeName'),
    ...named('runtimeClassName'),
    ...named('priorityClassName'),
    ...labelled('hostname'),
    ...labelled('subdomain'),
    ...(scheduler ? invalidFor(`${field}.schedulerName`, scheduler, dnsSubdomain(scheduler)) : []),
  ];
}

function validateHostnameOverride(spec: PodSpec, field: string): StatusCause[] {
  const { hostnameOverride: name, setHostnameAsFQDN, hostNetwork } = spec;
  if (name === undefined) return [];
  const path = `${field}.hostnameOverride`;
  const causes = invalidFor(path, name, dnsSubdomain(name));
  if (name.length > 64) causes.push(tooLong(path, 64));
  if (setHostnameAsFQDN === true)
    causes.push(forbidden(path, 'may not be specified when setHostnameAsFQDN is true'));
  if (hostNetwork === true) causes.push(forbidden(path, 'may not be specified when hostNetwork is true'));
  return causes;
}

export const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function validateTolerations(tolerations: readonly Toleration[], field: string): StatusCause[] {
  return tolerations.flatMap(({ key = '', operator = '', value = '', effect, tolerationSeconds }, index) => {
    const path = `${field}[${index}]`;
    const causes = key === '' ? [] : invalidFor(`${path}.key`, key, qualifiedName(key));
    if (key === '' && operator !== 'Exists') {
      const detail =
        'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      causes.push(invalid(`${path}.operator`, operator, detail));
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      causes.push(
        invalid(`${path}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      );
    }
    if (operator === 'Exists' && value !== '') {
      const detail = "value must be empty when `operator` is 'Exists'";
      causes.push(invalid(`${path}.operator`, { key, operator, value }, detail));
    } else if (operator === '' || operator === 'Equal') {
      causes.push(...invalidFor(`${path}.operator`, value, labelValue(value)));
    } else if (operator !== 'Exists') {
      causes.push(...oneOf(`${path}.operator`, operator, ['Equal', 'Exists']));
    }
    return effect ? [...causes, ...oneOf(`${path}.effect`, effect, taintEffects)] : causes;
  });
}

function validateHostAliases({ hostAliases = [] }: PodSpec, field: string): StatusCause[] {
  return hostAliases.flatMap(({ ip, hostnames = [] }, index) => {
    const path = `${field}.hostAliases[${index}]`;
    const causes: StatusCause[] = [];
    if (!isIpAddress(ip ?? '')) {
      causes.push(invalid(`${path}.ip`, ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'));
    }
    return [
      ...causes,
      ...hostnames.flatMap((name) => invalidFor(`${path}.hostnames`, name, dnsSubdomain(name))),
    ];
  });
}

function validateSpread(constraints: readonly TopologySpreadConstraint[], field: string): StatusCause[] {
  return constraints.flatMap((constraint, index) => {
    const path = `${field}[${index}]`;
    const { maxSkew, topologyKey, whenUnsatisfiable, labelSelector } = constraint;
    return [
      ...(maxSkew > 0 ? [] : [invalid(`${path}.maxSkew`, maxSkew ?? 0, 'must be greater than zero')]),
      ...(topologyKey
        ? invalidFor(`${path}.topologyKey`, topologyKey, qualifiedName(topologyKey))
        : [required(`${path}.topologyKey`, 'can not be empty')]),
      ...oneOf(`${path}.whenUnsatisfiable`, whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']),
      ...validateLabelSelector(labelSelector, `${path}.labelSelector`),
    ];
  });
}
