import type { Pod } from '../../protocol/generated/models.ts';
import { parseQuantity } from './quantity.ts';

/** Kubernetes' ComputePodQOS: by the requests and limits of cpu and memory of all containers. */
export function qosClass({ spec }: Pod): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const amounts = containers.map(({ resources }) =>
    ['cpu', 'memory'].map((resource) => {
      const limit = parseQuantity(resources?.limits?.[resource] ?? '0') ?? 0;
      const request = parseQuantity(resources?.requests?.[resource] ?? '') ?? limit;
      return { limit, request };
    }),
  );
  if (amounts.flat().every(({ limit, request }) => limit === 0 && request === 0)) return 'BestEffort';
  const guaranteed = amounts.flat().every(({ limit, request }) => limit > 0 && limit === request);
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
