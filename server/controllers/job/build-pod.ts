import type { EnvVar, Job, Pod } from '../../../protocol/generated/models.ts';
import { jobKind } from '../../../protocol/kinds/job.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { podFromTemplate } from '../pod-control.ts';
import { failureAnnotations, indexKey, trackingFinalizer } from './job-pods.ts';
import type { NewPod } from './plan.ts';

const indexVariable: EnvVar = {
  name: 'JOB_COMPLETION_INDEX',
  valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${indexKey}']` } },
};

/** A pod of the Job, which knows its index where there is one: by label, annotation, host name and environment. */
export function buildPod(job: Readonly<Job>, { index, failures }: NewPod): Pod {
  const pod = podFromTemplate(jobKind, job, job.spec?.template);
  const { metadata } = pod;
  metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), trackingFinalizer])];
  if (index === undefined || !pod.spec) return pod;
  const { name } = storedMeta(job);
  metadata.generateName = `${name}-${index}-`;
  metadata.labels = { ...metadata.labels, [indexKey]: String(index) };
  metadata.annotations = {
    ...metadata.annotations,
    [indexKey]: String(index),
    ...(failures ? failureAnnotations(failures) : {}),
  };
  pod.spec.hostname = `${name}-${index}`;
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
    const known = container.env?.some((variable) => variable.name === indexVariable.name);
    if (!known) container.env = [...(container.env ?? []), structuredClone(indexVariable)];
  }
  return pod;
}
