import type { JobSpec, PodFailurePolicy, PodFailurePolicyRule } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import {
  duplicate,
  invalid,
  invalidFor,
  nonNegative,
  notSupported,
  optionalOneOf,
  required,
  tooMany,
} from './cause.ts';
import { domainPrefixedPath, qualifiedName } from './name-rules.ts';
import { defaultPodSpec } from './pod-spec/defaults.ts';
import { validatePodTemplate } from './pod-spec/validate-pod-spec.ts';

/** What jobs and the templates of jobs in CronJobs share (source: k8s.io/kubernetes/pkg/apis/batch). */
const parallelismMaxIndexed = 100_000;
const managedByLengthMax = 63;
const failureRulesMax = 20;
const exitCodesMax = 255;
const largestInt32 = 2 ** 31 - 1;

/** In place, idempotent. */
export function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : largestInt32;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  spec.manualSelector ??= false;
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  }
  if (spec.template?.spec) defaultPodSpec(spec.template.spec);
}

/** All but the selector, which a template of jobs does not have. */
export function validateJobSpec(spec: JobSpec, field: string): StatusCause[] {
  return [
    ...validateCounts(spec, field),
    ...validateCompletionMode(spec, field),
    ...(spec.podFailurePolicy ? validateFailurePolicy(spec, spec.podFailurePolicy, field) : []),
    ...validateSuccessPolicy(spec, `${field}.successPolicy`),
    ...validateReplacement(spec, `${field}.podReplacementPolicy`),
    ...(spec.template
      ? validatePodTemplate(spec.template, `${field}.template`)
      : [required(`${field}.template`)]),
    ...validateRestart(spec, `${field}.template.spec.restartPolicy`),
  ];
}

const counts = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const;

function validateCounts(spec: JobSpec, field: string): StatusCause[] {
  const causes = counts.flatMap((count) => nonNegative(`${field}.${count}`, spec[count]));
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    causes.push(required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'));
  }
  if (spec.managedBy !== undefined) {
    causes.push(...invalidFor(`${field}.managedBy`, spec.managedBy, domainPrefixedPath(spec.managedBy)));
    if (spec.managedBy.length > managedByLengthMax) {
      const detail = `must be no more than ${managedByLengthMax} characters`;
      causes.push(invalid(`${field}.managedBy`, spec.managedBy, detail));
    }
  }
  return causes;
}

function validateCompletionMode(spec: JobSpec, field: string): StatusCause[] {
  const { completionMode, completions, parallelism = 0, backoffLimitPerIndex, maxFailedIndexes } = spec;
  const causes = optionalOneOf(`${field}.completionMode`, completionMode, ['NonIndexed', 'Indexed']);
  if (completionMode === 'Indexed') {
    if (completions === undefined) {
      causes.push(required(`${field}.completions`, 'when completion mode is Indexed'));
    }
    if (parallelism > parallelismMaxIndexed) {
      const detail = `must be less than or equal to ${parallelismMaxIndexed} when completion mode is Indexed`;
      causes.push(invalid(`${field}.parallelism`, parallelism, detail));
    }
    if (maxFailedIndexes !== undefined && maxFailedIndexes > (completions ?? largestInt32)) {
      const detail = 'must be less than or equal to completions';
      causes.push(invalid(`${field}.maxFailedIndexes`, maxFailedIndexes, detail));
    }
    return causes;
  }
  const detail = 'requires indexed completion mode';
  if (backoffLimitPerIndex !== undefined) {
    causes.push(invalid(`${field}.backoffLimitPerIndex`, backoffLimitPerIndex, detail));
  }
  if (maxFailedIndexes !== undefined) {
    causes.push(invalid(`${field}.maxFailedIndexes`, maxFailedIndexes, detail));
  }
  return causes;
}

function validateFailurePolicy(
  spec: JobSpec,
  { rules = [] }: Partial<PodFailurePolicy>,
  field: string,
): StatusCause[] {
  const path = `${field}.podFailurePolicy.rules`;
  const causes = rules.length > failureRulesMax ? [tooMany(path, rules.length, failureRulesMax)] : [];
  return [...causes, ...rules.flatMap((rule, index) => validateFailureRule(spec, rule, `${path}[${index}]`))];
}

const failureActions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];

function validateFailureRule(spec: JobSpec, rule: PodFailurePolicyRule, field: string): StatusCause[] {
  const { action, onExitCodes, onPodConditions = [] } = rule;
  const causes: StatusCause[] = [];
  if (!action) causes.push(required(`${field}.action`, `valid values: ${quoted(failureActions)}`));
  else if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined) {
    causes.push(invalid(`${field}.action`, action, 'requires the backoffLimitPerIndex to be set'));
  } else if (!failureActions.includes(action)) {
    causes.push(notSupported(`${field}.action`, action, failureActions));
  }
  if (onExitCodes) causes.push(...validateExitCodes(spec, onExitCodes, `${field}.onExitCodes`));
  onPodConditions.forEach(({ type, status }, index) => {
    const path = `${field}.onPodConditions[${index}]`;
    causes.push(
      ...invalidFor(`${path}.type`, type, qualifiedName(type ?? '')),
      ...optionalOneOf(`${path}.status`, status, ['False', 'True', 'Unknown']),
    );
  });
  if (onExitCodes && onPodConditions.length > 0) {
    causes.push(invalid(field, rule, 'specifying both OnExitCodes and OnPodConditions is not supported'));
  } else if (!onExitCodes && onPodConditions.length === 0) {
    causes.push(invalid(field, rule, 'specifying one of OnExitCodes and OnPodConditions is required'));
  }
  return causes;
}

/** As Go prints a list of strings. */
function quoted(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}

function validateExitCodes(
  spec: JobSpec,
  { containerName, operator, values = [] }: Partial<NonNullable<PodFailurePolicyRule['onExitCodes']>>,
  field: string,
): StatusCause[] {
  const operators = ['In', 'NotIn'];
  const causes: StatusCause[] = [];
  if (!operator) causes.push(required(`${field}.operator`, `valid values: ${quoted(operators)}`));
  else if (!operators.includes(operator)) causes.push(notSupported(`${field}.operator`, operator, operators));
  const { containers = [], initContainers = [] } = spec.template?.spec ?? {};
  const names = [...containers, ...initContainers].map(({ name }) => name);
  if (containerName !== undefined && !names.includes(containerName)) {
    const detail = 'must be one of the container or initContainer names in the pod template';
    causes.push(invalid(`${field}.containerName`, containerName, detail));
  }
  if (values.length === 0) causes.push(invalid(`${field}.values`, values, 'at least one value is required'));
  if (values.length > exitCodesMax) causes.push(tooMany(`${field}.values`, values.length, exitCodesMax));
  values.forEach((value, index) => {
    const path = `${field}.values[${index}]`;
    if (operator === 'In' && value === 0) {
      causes.push(invalid(path, value, 'must not be 0 for the In operator'));
    }
    if (values.indexOf(value) < index) causes.push(duplicate(path, value));
  });
  const ordered = values.every((value, index) => index === 0 || (values[index - 1] ?? value) <= value);
  if (!ordered) causes.push(invalid(`${field}.values`, values, 'must be ordered'));
  return causes;
}

function validateSuccessPolicy({ successPolicy, completionMode }: JobSpec, field: string): StatusCause[] {
  if (!successPolicy) return [];
  if (completionMode !== 'Indexed')
    return [invalid(field, successPolicy, 'requires indexed completion mode')];
  const rules = successPolicy.rules ?? [];
  if (rules.length === 0) {
    const detail = 'at least one rules must be specified when the successPolicy is specified';
    return [required(`${field}.rules`, detail)];
  }
  return rules.flatMap(({ succeededCount, succeededIndexes }, index) => {
    const path = `${field}.rules[${index}]`;
    if (succeededCount === undefined && succeededIndexes === undefined) {
      return [required(path, 'at least one of succeededCount or succeededIndexes must be specified')];
    }
    return nonNegative(`${path}.succeededCount`, succeededCount);
  });
}

function validateReplacement(
  { podFailurePolicy, podReplacementPolicy }: JobSpec,
  field: string,
): StatusCause[] {
  const supported = podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
  return optionalOneOf(field, podReplacementPolicy, supported);
}

/** A pod's default is to run for ever, which no job's may. */
function validateRestart({ template, podFailurePolicy }: JobSpec, field: string): StatusCause[] {
  const policy = template?.spec?.restartPolicy ?? '';
  if (policy === '' || policy === 'Always') return [required(field, 'valid values: "OnFailure", "Never"')];
  if (policy !== 'OnFailure' && policy !== 'Never') {
    return [notSupported(field, policy, ['OnFailure', 'Never'])];
  }
  if (podFailurePolicy && policy !== 'Never') {
    return [invalid(field, policy, 'only "Never" is supported when podFailurePolicy is specified')];
  }
  return [];
}
