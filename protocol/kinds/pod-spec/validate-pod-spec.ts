import type {
  NodeSelectorTerm,
  PodSecurityContext,
  PodSpec,
  PodTemplateSpec,
  Toleration,
  TopologySpreadConstraint,
} from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { forbidden, invalid, invalidFor, nonNegative, oneOf, required } from '../cause.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsLabel, dnsSubdomain, isIpAddress, labelValue, qualifiedName } from '../name-rules.ts';
import { validateAnnotations, validateLabels } from '../object-meta.ts';
import { restartPolicies, validateContainers, validateId } from './validate-container.ts';
import { validateNodeSelector, validateReference } from './validate-environment.ts';
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
    ...validatePodSecurity(spec.securityContext, `${field}.securityContext`),
    ...(spec.imagePullSecrets ?? []).flatMap(({ name }, index) =>
      name ? [] : [required(`${field}.imagePullSecrets[${index}].name`)],
    ),
    ...validateNodeAffinity(spec, field),
    ...validateNames(spec, field),
    ...validateTolerations(spec.tolerations ?? [], `${field}.tolerations`),
    ...validateHostAliases(spec, field),
    ...validateSpread(spec.topologySpreadConstraints ?? [], `${field}.topologySpreadConstraints`),
  ];
}

export function validatePodTemplate(template: PodTemplateSpec, field: string): StatusCause[] {
  const spec = template.spec;
  return [
    ...validateLabels(template.metadata?.labels, `${field}.metadata.labels`),
    ...validateAnnotations(template.metadata?.annotations, `${field}.metadata.annotations`),
    ...(spec ? validatePodSpec(spec, `${field}.spec`) : [required(`${field}.spec.containers`)]),
    ...((spec?.ephemeralContainers ?? []).length > 0
      ? [forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template')]
      : []),
  ];
}

const dnsPolicies = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'];

function validateDns({ dnsPolicy, dnsConfig }: PodSpec, field: string): StatusCause[] {
  const causes = oneOf(`${field}.dnsPolicy`, dnsPolicy, dnsPolicies);
  const nameservers = dnsConfig?.nameservers ?? [];
  if (dnsPolicy === 'None' && nameservers.length === 0) {
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

function validatePodSecurity(context: PodSecurityContext | undefined, field: string): StatusCause[] {
  const { runAsUser, runAsGroup, fsGroup, supplementalGroups = [] } = context ?? {};
  return [
    ...validateId(runAsUser, `${field}.runAsUser`),
    ...validateId(runAsGroup, `${field}.runAsGroup`),
    ...validateId(fsGroup, `${field}.fsGroup`),
    ...supplementalGroups.flatMap((id, index) => validateId(id, `${field}.supplementalGroups[${index}]`)),
  ];
}

function validateNodeAffinity({ affinity }: PodSpec, field: string): StatusCause[] {
  const path = `${field}.affinity.nodeAffinity`;
  const needed = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const wanted = affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const causes: StatusCause[] = [];
  if (needed) {
    const terms = `${path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`;
    const list = needed.nodeSelectorTerms ?? [];
    if (list.length === 0) causes.push(required(terms, 'must have at least one node selector term'));
    list.forEach((term, index) => causes.push(...validateNodeTerm(term, `${terms}[${index}]`)));
  }
  wanted.forEach(({ weight, preference }, index) => {
    const at = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
    if (!(weight >= 1 && weight <= 100))
      causes.push(invalid(`${at}.weight`, weight, 'must be in the range 1-100'));
    causes.push(...validateNodeTerm(preference ?? {}, `${at}.preference`));
  });
  return causes;
}

function validateNodeTerm({ matchExpressions = [] }: NodeSelectorTerm, field: string): StatusCause[] {
  return matchExpressions.flatMap(({ key, operator, values = [] }, index) => {
    const path = `${field}.matchExpressions[${index}]`;
    const causes = invalidFor(`${path}.key`, key, qualifiedName(key ?? ''));
    switch (operator) {
      case 'In':
      case 'NotIn':
        if (values.length === 0) {
          causes.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        return causes;
      case 'Exists':
      case 'DoesNotExist':
        if (values.length > 0) {
          const detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
          causes.push(forbidden(`${path}.values`, detail));
        }
        return causes;
      case 'Gt':
      case 'Lt':
        if (values.length !== 1) {
          causes.push(
            required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"),
          );
        }
        return causes;
      default:
        return [...causes, invalid(`${path}.operator`, operator, 'not a valid selector operator')];
    }
  });
}

export const taintEffects = ['NoExecute', 'NoSchedule', 'PreferNoSchedule'];

function validateTolerations(tolerations: readonly Toleration[], field: string): StatusCause[] {
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
      causes.push(invalid(path, { key, operator, value }, "value must be empty when `operator` is 'Exists'"));
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
