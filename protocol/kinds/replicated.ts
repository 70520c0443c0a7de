import type { LabelSelector, PodTemplateSpec } from '../generated/models.ts';
import { compileLabelSelector } from '../selectors.ts';
import type { StatusCause } from '../status.ts';
import { forbidden, invalid, nonNegative, notSupported, required } from './cause.ts';
import { validateLabelSelector } from './label-selector.ts';
import { validatePodTemplate } from './pod-spec/validate-pod-spec.ts';

/** What the kinds that keep a number of equal pods have in common. */
interface ReplicatedSpec {
  replicas?: number;
  minReadySeconds?: number;
  selector: LabelSelector;
  template?: PodTemplateSpec;
}

/** Source: k8s.io/kubernetes/pkg/apis/apps/validation. */
export function validateReplicated(spec: ReplicatedSpec): StatusCause[] {
  return [
    ...nonNegative('spec.replicas', spec.replicas),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...validateSelector(spec.selector),
    ...(spec.template ? validateTemplate(spec.template, spec.selector) : [required('spec.template')]),
  ];
}

function validateSelector(selector: LabelSelector | undefined): StatusCause[] {
  if (!selector) return [required('spec.selector')];
  const causes = validateLabelSelector(selector, 'spec.selector');
  if (isEmpty(selector))
    causes.push(invalid('spec.selector', selector, 'empty selector is invalid for deployment'));
  return causes;
}

function isEmpty({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  return Object.keys(matchLabels).length === 0 && matchExpressions.length === 0;
}

function validateTemplate(template: PodTemplateSpec, selector: LabelSelector | undefined): StatusCause[] {
  const causes: StatusCause[] = [];
  const { labels = {} } = template.metadata ?? {};
  const usable = selector && !isEmpty(selector) && validateLabelSelector(selector, '').length === 0;
  if (usable && !compileLabelSelector(selector)(labels)) {
    const detail = '`selector` does not match template `labels`';
    causes.push(invalid('spec.template.metadata.labels', labels, detail));
  }
  causes.push(...validatePodTemplate(template, 'spec.template'));
  const { restartPolicy, activeDeadlineSeconds } = template.spec ?? {};
  if (restartPolicy && restartPolicy !== 'Always') {
    causes.push(notSupported('spec.template.spec.restartPolicy', restartPolicy, ['Always']));
  }
  if (activeDeadlineSeconds !== undefined) {
    const detail = 'activeDeadlineSeconds in ReplicaSet is not Supported';
    causes.push(forbidden('spec.template.spec.activeDeadlineSeconds', detail));
  }
  return causes;
}
