import type { Pod } from '../../../protocol/generated/models.ts';
import { StatusError } from '../../../protocol/status.ts';

/** The node that a pod is on. Throws BadRequest when it has none yet. */
export function assignedNode({ metadata, spec }: Pod): string {
  if (spec?.nodeName) return spec.nodeName;
  throw new StatusError('BadRequest', `pod ${metadata?.name ?? ''} does not have a host assigned`);
}
