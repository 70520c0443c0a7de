import { StatusError } from '../../../protocol/status.ts';
import type { RequestInfo } from '../request/request-info.ts';
import type { User } from './user.ts';

/** Decides whether `user` may do what the request asks for. The seam where RBAC comes in. */
export type Authorizer = (user: User, request: RequestInfo) => Promise<Decision> | Decision;

/** `reason` is shown to the user after the refusal. */
export type Decision = { allowed: true } | { allowed: false; reason?: string };

const mastersGroup = 'system:masters';
const nodesGroup = 'system:nodes';

/**
 * Until there is RBAC: masters everything, devices nothing (they talk over the bus), everybody else what Kubernetes'
 * roles system:discovery and system:public-info-viewer give.
 */
export const authorizeByGroup: Authorizer = (user, request) => {
  if (user.groups.includes(mastersGroup)) return { allowed: true };
  if (user.groups.includes(nodesGroup)) return { allowed: false };
  if (request.type === 'path' && request.verb === 'get' && isPublic(request.path)) return { allowed: true };
  return { allowed: false };
};

const publicPaths = ['/livez', '/readyz', '/healthz', '/version', '/api', '/apis', '/openapi'];

function isPublic(path: string): boolean {
  return publicPaths.some((open) => path === open || path.startsWith(`${open}/`));
}

/** Throws Forbidden in Kubernetes' words unless `authorize` allows it. */
export async function enforce(authorize: Authorizer, user: User, request: RequestInfo): Promise<void> {
  const decision = await authorize(user, request);
  if (decision.allowed) return;
  const suffix = decision.reason ? `: ${decision.reason}` : '';
  if (request.type === 'path')
    throw new StatusError(
      'Forbidden',
      `forbidden: User ${quote(user.name)} cannot ${request.verb} path ${quote(request.path)}${suffix}`,
    );
  const { group, resource, namespace, name, subresource, verb } = request;
  const full = subresource === undefined ? resource : `${resource}/${subresource}`;
  const qualified = group === '' ? resource : `${resource}.${group}`;
  const subject = name === undefined ? qualified : `${qualified} ${quote(name)}`;
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace ${quote(namespace)}`;
  throw new StatusError(
    'Forbidden',
    `${subject} is forbidden: User ${quote(user.name)} cannot ${verb} resource ${quote(full)} ` +
      `in API group ${quote(group)} ${where}${suffix}`,
    { details: { ...(name === undefined ? {} : { name }), ...(group && { group }), kind: resource } },
  );
}

function quote(text: string): string {
  return JSON.stringify(text);
}
