import type { Namespace, ObjectMeta, Pod, PodSpec } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { cronJobKind } from '../../../protocol/kinds/cron-job.ts';
import { daemonSetKind } from '../../../protocol/kinds/daemon-set.ts';
import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { jobKind } from '../../../protocol/kinds/job.ts';
import { namespaceKind } from '../../../protocol/kinds/namespace.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { podTemplateKind } from '../../../protocol/kinds/pod-template.ts';
import { replicaSetKind } from '../../../protocol/kinds/replica-set.ts';
import { replicationControllerKind } from '../../../protocol/kinds/replication-controller.ts';
import { statefulSetKind } from '../../../protocol/kinds/stateful-set.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import { invalid } from '../../registry/failures.ts';
import { defineAdmission } from '../define-admission.ts';
import { findObject } from '../find-object.ts';
import { inNamespace } from '../in-namespace.ts';
import { isOneOf } from '../is-one-of.ts';
import {
  isStricter,
  labelCauses,
  modes,
  type Rule,
  ruleOf,
  violationsOf,
  violationText,
} from '../pod-security/policy.ts';
import { refusal } from '../refusal.ts';

const workloads = [
  cronJobKind,
  daemonSetKind,
  deploymentKind,
  jobKind,
  podTemplateKind,
  replicaSetKind,
  replicationControllerKind,
  statefulSetKind,
];
/** A namespace that becomes stricter tells of at most so many of its pods. */
const toldPodsMax = 3000;
/** Of what the audit log is told. */
const notePrefix = 'pod-security.kubernetes.io/';

/** Holds pods to the level that the labels of their namespace name, and warns of workloads whose pods would break it. */
export const podSecurity = defineAdmission({
  name: 'PodSecurity',
  setup({ cache, registry }) {
    const namespaces = cache.informer(namespaceKind);
    const podsIn = inNamespace(cache.informer(podKind));
    return {
      handles({ kind, operation, subresource, namespace }) {
        if (operation !== 'CREATE' && operation !== 'UPDATE') return false;
        if (isOneOf(kind, namespaceKind)) return subresource === '';
        const isPod = isOneOf(kind, podKind);
        if (subresource !== '' && !(isPod && subresource === 'ephemeralcontainers')) return false;
        if (!isPod && !isOneOf(kind, ...workloads)) return false;
        const known = namespace === undefined ? undefined : namespaces.get(undefined, namespace);
        return !known || hasRules(known);
      },
      async validate(request) {
        const { kind, namespace = '' } = request;
        if (isOneOf(kind, namespaceKind)) return checkNamespace(request, podsIn);
        const found = await findObject({ registry, informer: namespaces }, { name: namespace });
        const labels = found?.metadata?.labels;
        const isPod = isOneOf(kind, podKind);
        const template = isPod ? (request.object as Pod) : templateOf(request.object);
        if (!template?.spec || (isPod && !isWorthALook(request))) return;
        const { metadata, spec } = template;
        const enforced = ruleOf(labels, 'enforce');
        const broken = isPod ? violationsOf(enforced, metadata, spec) : [];
        if (isPod) request.annotate(`${notePrefix}enforce-policy`, `${enforced.level}:${enforced.version}`);
        const audited = ruleOf(labels, 'audit');
        const noted = violationsOf(audited, metadata, spec);
        if (noted.length > 0)
          request.annotate(`${notePrefix}audit-violations`, `would violate ${violationText(audited, noted)}`);
        if (broken.length > 0) throw refusal(request, `violates ${violationText(enforced, broken)}`);
        const warned = ruleOf(labels, 'warn');
        const doubtful = violationsOf(warned, metadata, spec);
        if (doubtful.length > 0) request.warn(`would violate ${violationText(warned, doubtful)}`);
      },
    };
  },
});

function hasRules({ metadata }: Readonly<Namespace>): boolean {
  const { labels } = metadata ?? {};
  return modes.some((mode) => ruleOf(labels, mode).level !== 'privileged');
}

interface Template {
  metadata?: ObjectMeta;
  spec?: PodSpec;
}

function templateOf(object: KubernetesObject | undefined): Template | undefined {
  const { template, spec } = object as {
    template?: Template;
    spec?: { template?: Template; jobTemplate?: { spec?: { template?: Template } } };
  };
  return template ?? spec?.template ?? spec?.jobTemplate?.spec?.template;
}

/** Of a pod that is there only the images, and what was added to debug it, can become worse. */
function isWorthALook({ object, oldObject }: AdmissionRequest): boolean {
  if (!oldObject) return true;
  const part = (pod: Pod) => ({
    images: [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map(({ image }) => image),
    ephemeral: pod.spec?.ephemeralContainers ?? [],
  });
  return !sameValue(part(object as Pod), part(oldObject as Pod));
}

function checkNamespace(
  request: AdmissionRequest,
  podsIn: (namespace: string) => readonly Readonly<Pod>[],
): void {
  const { kind, name, object, oldObject } = request;
  const causes = labelCauses(object?.metadata?.labels);
  if (causes.length > 0) throw invalid(kind, name, causes);
  if (!oldObject) return;
  const next = ruleOf(object?.metadata?.labels, 'enforce');
  if (!isStricter(next, ruleOf(oldObject.metadata?.labels, 'enforce'))) return;
  const lines = tellBroken(next, podsIn(name));
  if (lines.length === 0) return;
  request.warn(
    `existing pods in namespace "${name}" violate the new PodSecurity enforce level "${next.level}:${next.version}"`,
  );
  for (const line of lines) request.warn(line);
}

/** One line for each set of reasons. */
function tellBroken(rule: Rule, pods: readonly Readonly<Pod>[]): string[] {
  const byReasons = new Map<string, string[]>();
  for (const { metadata, spec } of pods.slice(0, toldPodsMax)) {
    if (!spec) continue;
    const reasons = violationsOf(rule, metadata, spec).map(({ reason }) => reason);
    if (reasons.length === 0) continue;
    const key = reasons.join(', ');
    byReasons.set(key, [...(byReasons.get(key) ?? []), metadata?.name ?? '']);
  }
  return [...byReasons].map(([reasons, names]) => {
    const others = names.length - 1;
    const more = others === 0 ? '' : ` (and ${others} other ${others === 1 ? 'pod' : 'pods'})`;
    return `${names[0]}${more}: ${reasons}`;
  });
}
