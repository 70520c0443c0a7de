import type { Clock } from '../../../lib/clock.ts';
import { findToken } from '../../identity/stored-token.ts';
import type { Registry } from '../../registry/registry.ts';
import { unauthorized } from './authenticator.ts';
import type { TokenAuthenticator } from './bearer-tokens.ts';

const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16,64})$/;

/**
 * Bootstrap tokens, `<id>.<secret>`, as kubeadm and the like send them. One that was for a single device is used up
 * by it.
 */
export function bootstrapTokenAuthenticator({
  registry,
  clock,
}: {
  registry: Registry;
  clock: Clock;
}): TokenAuthenticator {
  return async (token) => {
    const [, id, secret] = tokenPattern.exec(token) ?? [];
    if (id === undefined || secret === undefined) return undefined;
    const found = await findToken(registry, { id, secret });
    // An unreadable date is NaN, and nothing is earlier than that.
    const holds = found && (found.expiresAt === undefined || clock.now() < found.expiresAt) && !found.usedBy;
    if (!holds) throw unauthorized();
    return {
      user: { name: `system:bootstrap:${id}`, groups: ['system:bootstrappers', ...found.groups] },
    };
  };
}
