import { StatusError } from '../../../protocol/status.ts';
import type { AccessRequest } from './access-request.ts';
import { mastersGroup, type User } from './user.ts';

/** Decides whether `user` may do what is asked for. */
export type Authorizer = (user: User, request: AccessRequest) => Promise<Decision> | Decision;

/**
 * `reason` is shown to the user after the refusal, and in reviews. Not allowed means that nobody has said yes so
 * far.
 */
export interface Decision {
  allowed: boolean;
  reason?: string;
}

/** The first that says yes counts. */
export function authorizeByFirst(authorizers: readonly Authorizer[]): Authorizer {
  return async (user, request) => {
    const reasons: string[] = [];
    for (const authorize of authorizers) {
      const decision = await authorize(user, request);
      if (decision.allowed) return decision;
      if (decision.reason) reasons.push(decision.reason);
    }
    return { allowed: false, ...(reasons.length > 0 ? { reason: reasons.join(', ') } : {}) };
  };
}

/** So that nobody can lock everybody out: masters need no role. */
export const authorizeMasters: Authorizer = ({ groups }) => ({ allowed: groups.includes(mastersGroup) });

/** Throws Forbidden in Kubernetes' words unless `authorize` allows it. */
export async function enforce(authorize: Authorizer, user: User, request: AccessRequest): Promise<void> {
  const decision = await authorize(user, request);
  if (!decision.allowed) throw refusal(user, request, decision);
}

/** What a user is told who may not do what `request` asks for. */
export function refusal(user: User, request: AccessRequest, decision: Decision): StatusError {
  const suffix = decision.reason ? `: ${decision.reason}` : '';
  if (request.type === 'path')
    return new StatusError(
      'Forbidden',
      `forbidden: User ${quote(user.name)} cannot ${request.verb} path ${quote(request.path)}${suffix}`,
    );
  const { group, resource, namespace, name, subresource, verb } = request;
  const full = subresource === undefined ? resource : `${resource}/${subresource}`;
  const qualified = group === '' ? resource : `${resource}.${group}`;
  const subject = name === undefined ? qualified : `${qualified} ${quote(name)}`;
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace ${quote(namespace)}`;
  return new StatusError(
    'Forbidden',
    `${subject} is forbidden: User ${quote(user.name)} cannot ${verb} resource ${quote(full)} ` +
      `in API group ${quote(group)} ${where}${suffix}`,
    { details: { ...(name === undefined ? {} : { name }), ...(group && { group }), kind: resource } },
  );
}

function quote(text: string): string {
  return JSON.stringify(text);
}
