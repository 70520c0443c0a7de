import type { Container, PodSpec, ResourceRequirements } from '../../protocol/generated/models.ts';
import type { Resources } from './pod-record.ts';

type Amounts = Pick<ResourceRequirements, 'requests' | 'limits'>;

/** In an allocation the pod's own, beside its containers': none of those is called so. */
export const wholePod = '';

/** What a container has: where it has no limit of its own, that of all of its pod holds for it. */
export function resourcesOf({ resources }: Container, spec: PodSpec | undefined): Resources {
  const { requests, limits } = writtenResources(resources);
  const ofPod = Object.entries(spec?.resources?.limits ?? {}).filter(([name]) => inherited.has(name));
  const all = { ...Object.fromEntries(ofPod), ...limits };
  return { ...(requests ? { requests } : {}), ...(limits || ofPod.length > 0 ? { limits: all } : {}) };
}

const inherited = new Set(['cpu', 'memory']);

/** Requests and limits alone. */
export function writtenResources({ requests, limits }: Resources = {}): Amounts {
  return { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) };
}
