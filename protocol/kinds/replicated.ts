import type { LabelSelector, PodTemplateSpec } from '../generated/models.ts';
import { compileLabelSelector } from '../selectors.ts';
import type { StatusCause } from '../status.ts';
import { forbidden, invalid, nonNegative, notSupported, required } from './cause.ts';
import { validateLabelSelector } from './label-selector.ts';
import { validatePodTemplate } from './pod-spec/validate-pod-spec.ts';

/** The word for a kind in a refusal about its selector, and the one in a refusal about its pods. */
export interface KindWords {
  selector: string;
  pods: string;
}

const replicaSetWords: KindWords = { selector: 'deployment', pods: 'ReplicaSet' };

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
    ...validateSelectedTemplate(spec, replicaSetWords),
  ];
}

/** That the selector says something, fits the template, and the template is one of pods that run for ever. */
export function validateSelectedTemplate(
  { selector, template }: Pick<ReplicatedSpec, 'selector' | 'template'>,
  words: KindWords,
): StatusCause[] {
  return [
    ...validateSelector(selector, words),
    ...(template ? validateTemplate(template, selector, words) : [required('spec.template')]),
  ];
}

function validateSelector(selector: LabelSelector | undefined, words: KindWords): StatusCause[] {
  if (!selector) return [required('spec.selector')];
  const causes = validateLabelSelector(selector, 'spec.selector');
  if (isEmpty(selector))
    causes.push(invalid('spec.selector', selector, `empty selector is invalid for ${words.selector}`));
  return causes;
}

function isEmpty({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  return Object.keys(matchLabels).length === 0 && matchExpressions.length === 0;
}

/** That the selector takes the pods which the template makes. */
export function validateSelects(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
): StatusCause[] {
  const { labels = {} } = template?.metadata ?? {};
  const usable = selector && !isEmpty(selector) && validateLabelSelector(selector, '').length === 0;
  if (!usable || compileLabelSelector(selector)(labels)) return [];
  return [invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')];
}

function validateTemplate(
  template: PodTemplateSpec,
  selector: LabelSelector | undefined,
  words: KindWords,
): StatusCause[] {
  const causes = [...validateSelects(selector, template), ...validatePodTemplate(template, 'spec.template')];
  const { restartPolicy, activeDeadlineSeconds } = template.spec ?? {};
  if (restartPolicy && restartPolicy !== 'Always') {
    causes.push(notSupported('spec.template.spec.restartPolicy', restartPolicy, ['Always']));
  }
  if (activeDeadlineSeconds !== undefined) {
    const detail = `activeDeadlineSeconds in ${words.pods} is not Supported`;
    causes.push(forbidden('spec.template.spec.activeDeadlineSeconds', detail));
  }
  return causes;
}
