import type { Clock } from '../../../lib/clock.ts';
import { type Random, uuid } from '../../../lib/random.ts';
import type { User } from '../access/user.ts';
import type { RequestInfo } from '../request/request-info.ts';
import { type AuditPolicy, decideAudit } from './audit-policy.ts';
import { type AuditedConnection, AuditTrail } from './audit-trail.ts';

/** Begins the trail of each request that the policy wants to have noted. */
export interface Auditor {
  /** Undefined for what is not noted at all. */
  begin(request: AuditedConnection, subject: { user: User; info: RequestInfo }): AuditTrail | undefined;
}

export interface AuditorOptions {
  policy: AuditPolicy;
  sink: { write(line: string): void };
  clock: Clock;
  random: Random;
}

export function createAuditor({ policy, sink, clock, random }: AuditorOptions): Auditor {
  return {
    begin(connection, { user, info }) {
      const { verb, path } = info;
      const asked = { user, verb, path, ...(info.type === 'resource' ? { resource: info } : {}) };
      const decision = decideAudit(policy, asked);
      if (decision.level === 'None') return undefined;
      const id = givenId(connection) ?? uuid(random);
      return new AuditTrail({ id, decision, connection, user, info, sink, clock });
    },
  };
}

/** Clients may name their request, so that several servers' logs can be put side by side. */
function givenId({ headers }: AuditedConnection): string | undefined {
  const id = headers['audit-id'];
  return typeof id === 'string' && /^[\w-]{1,64}$/.test(id) ? id : undefined;
}
