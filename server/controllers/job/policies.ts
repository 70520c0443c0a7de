import type {
  ContainerStatus,
  Job,
  Pod,
  PodFailurePolicyRule,
  SuccessPolicy,
} from '../../../protocol/generated/models.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { parseIndexes } from './index-set.ts';

/** What a Job's podFailurePolicy and successPolicy say. Pure (source: pkg/controller/job, their two files). */
export interface FailureVerdict {
  /** 'Count' where no rule speaks. */
  action: 'Count' | 'FailIndex' | 'FailJob' | 'Ignore';
  /** Of FailJob: why. */
  message?: string;
}

/** The first rule that matches a failed pod decides. */
export function judgeFailure({ spec }: Readonly<Job>, pod: Readonly<Pod>): FailureVerdict {
  const rules = spec?.podFailurePolicy?.rules ?? [];
  for (const [index, rule] of rules.entries()) {
    const match = matchRule(rule, pod);
    if (match === undefined) continue;
    const action = rule.action as FailureVerdict['action'];
    if (action !== 'FailJob') return { action };
    return { action, message: `${match} matching ${action} rule at index ${index}` };
  }
  return { action: 'Count' };
}

/** What of the pod matches, in words; undefined when nothing does. */
function matchRule(rule: Readonly<PodFailurePolicyRule>, pod: Readonly<Pod>): string | undefined {
  const { name, namespace } = storedMeta(pod);
  if (rule.onExitCodes) {
    const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
    const found = [...containerStatuses, ...initContainerStatuses].find((status) =>
      matchesExit(rule, status),
    );
    if (!found) return undefined;
    const code = found.state?.terminated?.exitCode;
    return `Container ${found.name} for pod ${namespace}/${name} failed with exit code ${code}`;
  }
  const condition = rule.onPodConditions?.find((pattern) =>
    pod.status?.conditions?.some(
      ({ type, status }) => type === pattern.type && status === (pattern.status ?? 'True'),
    ),
  );
  return condition && `Pod ${namespace}/${name} has condition ${condition.type}`;
}

function matchesExit(
  { onExitCodes }: Readonly<PodFailurePolicyRule>,
  status: Readonly<ContainerStatus>,
): boolean {
  const code = status.state?.terminated?.exitCode;
  if (!onExitCodes || !code) return false;
  if (onExitCodes.containerName && onExitCodes.containerName !== status.name) return false;
  return onExitCodes.values.includes(code) === (onExitCodes.operator === 'In');
}

/** In words, which rule of the policy the indexes that succeeded fulfil; undefined when they do none. */
export function matchSuccess(
  policy: Readonly<SuccessPolicy> | undefined,
  succeeded: ReadonlySet<number>,
  completions: number,
): string | undefined {
  const at = (policy?.rules ?? []).findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined)
      return succeededCount !== undefined && succeeded.size >= succeededCount;
    const required = parseIndexes(succeededIndexes, completions);
    const done = [...required].filter((index) => succeeded.has(index)).length;
    return done === required.size || (succeededCount !== undefined && done >= succeededCount);
  });
  return at < 0 ? undefined : `Matched rules at index ${at}`;
}
