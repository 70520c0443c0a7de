import type { ObjectMeta, PodSpec } from '../../../protocol/generated/models.ts';
import { invalid } from '../../../protocol/kinds/cause.ts';
import type { StatusCause } from '../../../protocol/status.ts';
import { baselineChecks } from './baseline.ts';
import { checkedPod, type Violation } from './check.ts';
import { restrictedChecks } from './restricted.ts';

/** What a namespace's labels say about its pods (source: k8s.io/pod-security-admission). */
export type Mode = 'enforce' | 'audit' | 'warn';

export interface Rule {
  level: string;
  /** `latest` or `v1.<minor>`. */
  version: string;
}

const prefix = 'pod-security.kubernetes.io/';
export const modes: readonly Mode[] = ['enforce', 'audit', 'warn'];
const levels = ['privileged', 'baseline', 'restricted'];
const isVersion = (text: string) => text === 'latest' || /^v1\.\d{1,4}$/.test(text);

type Labels = Readonly<Record<string, string>> | undefined;

/** Where a label says what nobody understands, the strictest holds. */
export function ruleOf(labels: Labels, mode: Mode): Rule {
  const level = labels?.[`${prefix}${mode}`] ?? 'privileged';
  const version = labels?.[`${prefix}${mode}-version`] ?? 'latest';
  return {
    level: levels.includes(level) ? level : 'restricted',
    version: isVersion(version) ? version : 'latest',
  };
}

export function labelCauses(labels: Labels): StatusCause[] {
  return modes.flatMap((mode) => {
    const level = labels?.[`${prefix}${mode}`];
    const version = labels?.[`${prefix}${mode}-version`];
    const field = (name: string) => `metadata.labels[${prefix}${name}]`;
    return [
      ...(level === undefined || levels.includes(level)
        ? []
        : [invalid(field(mode), level, `must be one of ${levels.join(', ')}`)]),
      ...(version === undefined || isVersion(version)
        ? []
        : [invalid(field(`${mode}-version`), version, 'must be "latest" or "v1.x"')]),
    ];
  });
}

export function violationsOf(
  { level, version }: Rule,
  metadata: ObjectMeta | undefined,
  spec: PodSpec,
): Violation[] {
  if (level === 'privileged') return [];
  const pod = checkedPod(metadata, spec);
  const minor = version === 'latest' ? Number.POSITIVE_INFINITY : Number(version.slice('v1.'.length));
  const checks = level === 'baseline' ? baselineChecks : restrictedChecks;
  return checks.flatMap((check) => ((check.since ?? 0) <= minor ? (check.broken(pod) ?? []) : []));
}

/** `violate PodSecurity "restricted:latest": …`, without the first word's ending. */
export function violationText({ level, version }: Rule, violations: readonly Violation[]): string {
  const list = violations.map(({ reason, detail }) => `${reason} (${detail})`).join(', ');
  return `PodSecurity "${level}:${version}": ${list}`;
}

/** Whether `next` forbids what `before` allowed. */
export function isStricter(next: Rule, before: Rule): boolean {
  if (next.level === 'privileged') return false;
  return levels.indexOf(next.level) > levels.indexOf(before.level) || next.version !== before.version;
}
