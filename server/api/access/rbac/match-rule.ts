import type { PolicyRule } from '../../../../protocol/generated/models.ts';
import type { AccessRequest } from '../access-request.ts';

/** Whether one rule of a role allows a request (source: k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac). */
export function ruleAllows(rule: Readonly<PolicyRule>, request: AccessRequest): boolean {
  if (!hasOrAll(rule.verbs, request.verb)) return false;
  if (request.type === 'path')
    return (rule.nonResourceURLs ?? []).some((url) => urlCovers(url, request.path));
  const { group, resource, subresource, name } = request;
  const { resourceNames = [] } = rule;
  return (
    hasOrAll(rule.apiGroups, group) &&
    coversResource(rule.resources, subresource === undefined ? resource : `${resource}/${subresource}`) &&
    (resourceNames.length === 0 || (name !== undefined && resourceNames.includes(name)))
  );
}

/** `*` at the end of a URL stands for anything. */
export function urlCovers(pattern: string, url: string): boolean {
  if (pattern === url) return true;
  return pattern.endsWith('*') && url.startsWith(pattern.replace(/\*+$/, ''));
}

export function hasOrAll(list: readonly string[] | undefined, value: string): boolean {
  return list !== undefined && (list.includes(value) || list.includes('*'));
}

/** `resource` is `pods` or `pods/log`; `* /log` (without the space) stands for the logs of everything. */
export function coversResource(list: readonly string[] | undefined, resource: string): boolean {
  if (hasOrAll(list, resource)) return true;
  const slash = resource.indexOf('/');
  return slash >= 0 && (list ?? []).includes(`*${resource.slice(slash)}`);
}
