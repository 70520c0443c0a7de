import * as v from 'valibot';
import { parse as parseYaml } from 'yaml';

/** What is noted of which request (source: audit.k8s.io/v1, Policy, and k8s.io/apiserver/pkg/audit/policy). */
export interface AuditPolicy {
  rules: readonly AuditRule[];
  omitStages: readonly AuditStage[];
  omitManagedFields: boolean;
}

export type AuditLevel = 'None' | 'Metadata' | 'Request' | 'RequestResponse';
export type AuditStage = 'RequestReceived' | 'ResponseStarted' | 'ResponseComplete' | 'Panic';

const stages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
const strings = v.optional(v.array(v.string()), []);
const omitStages = v.optional(v.array(v.picklist(stages)), []);

const ruleSchema = v.pipe(
  v.strictObject({
    level: v.picklist(['None', 'Metadata', 'Request', 'RequestResponse']),
    users: strings,
    userGroups: strings,
    verbs: strings,
    resources: v.optional(
      v.array(
        v.strictObject({ group: v.optional(v.string(), ''), resources: strings, resourceNames: strings }),
      ),
      [],
    ),
    namespaces: strings,
    nonResourceURLs: strings,
    omitStages,
    omitManagedFields: v.optional(v.boolean()),
  }),
  v.check(
    ({ nonResourceURLs, resources, namespaces }) =>
      nonResourceURLs.length === 0 || resources.length + namespaces.length === 0,
    'a rule cannot apply to both regular resources and non-resource URLs',
  ),
);
export type AuditRule = v.InferOutput<typeof ruleSchema>;

const schema = v.strictObject({
  apiVersion: v.literal('audit.k8s.io/v1'),
  kind: v.literal('Policy'),
  metadata: v.optional(v.unknown()),
  omitStages,
  omitManagedFields: v.optional(v.boolean(), false),
  rules: v.pipe(v.array(ruleSchema), v.minLength(1, 'at least one rule is needed')),
});

/** Reads a policy file (YAML). Throws an Error that names every fault. */
export function parseAuditPolicy(file: string): AuditPolicy {
  const parsed = v.safeParse(schema, parseYaml(file, { maxAliasCount: 0 }));
  if (parsed.success) return parsed.output;
  const faults = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? 'file'}: ${issue.message}`);
  throw new Error(faults.join('; '));
}

/** A request as rules see it. */
export interface AuditedRequest {
  user: { name: string; groups: readonly string[] };
  verb: string;
  path: string;
  /** Absent for a path that is no resource. */
  resource?: {
    group: string;
    resource: string;
    subresource: string | undefined;
    namespace: string | undefined;
    name: string | undefined;
  };
}

export interface AuditDecision {
  level: AuditLevel;
  omitStages: ReadonlySet<AuditStage>;
  omitManagedFields: boolean;
}

/** By the first rule that fits; what no rule fits is not noted. */
export function decideAudit(policy: AuditPolicy, request: AuditedRequest): AuditDecision {
  const rule = policy.rules.find((candidate) => fits(candidate, request));
  return {
    level: rule?.level ?? 'None',
    omitStages: new Set([...policy.omitStages, ...(rule?.omitStages ?? [])]),
    omitManagedFields: rule?.omitManagedFields ?? policy.omitManagedFields,
  };
}

function fits(rule: AuditRule, { user, verb, path, resource }: AuditedRequest): boolean {
  if (rule.users.length > 0 && !rule.users.includes(user.name)) return false;
  if (rule.userGroups.length > 0 && !rule.userGroups.some((group) => user.groups.includes(group)))
    return false;
  if (rule.verbs.length > 0 && !rule.verbs.includes(verb)) return false;
  if (rule.resources.length + rule.namespaces.length > 0) {
    return resource !== undefined && fitsResource(rule, resource);
  }
  if (rule.nonResourceURLs.length > 0) {
    return resource === undefined && rule.nonResourceURLs.some((pattern) => fitsPath(pattern, path));
  }
  return true;
}

type Resource = NonNullable<AuditedRequest['resource']>;

function fitsResource({ namespaces, resources }: AuditRule, asked: Resource): boolean {
  if (namespaces.length > 0 && !namespaces.includes(asked.namespace ?? '')) return false;
  if (resources.length === 0) return true;
  return resources.some(({ group, resources: names, resourceNames }) => {
    if (group !== asked.group) return false;
    if (names.length === 0) return true;
    if (resourceNames.length > 0 && !resourceNames.includes(asked.name ?? '')) return false;
    return names.some((pattern) => fitsName(pattern, asked));
  });
}

function fitsName(pattern: string, { resource, subresource }: Resource): boolean {
  const full = subresource === undefined ? resource : `${resource}/${subresource}`;
  if (pattern === '*' || pattern === full) return true;
  if (subresource !== undefined && pattern === `*/${subresource}`) return true;
  return pattern === `${resource}/*`;
}

function fitsPath(pattern: string, path: string): boolean {
  if (pattern.endsWith('*')) return path.startsWith(pattern.slice(0, -1));
  return pattern === path;
}
