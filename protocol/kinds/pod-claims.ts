import type { Pod } from '../generated/models.ts';

/** A pod's claim of devices: how its containers call it, and the ResourceClaim; one not made yet is left out. */
export interface PodClaim {
  name: string;
  claim: string;
}

/** Claims that came of a template are told by the pod's status. */
export function podClaimNames({ spec, status }: Readonly<Pod>): PodClaim[] {
  return (spec?.resourceClaims ?? []).flatMap(({ name, resourceClaimName }) => {
    const made = status?.resourceClaimStatuses?.find((one) => one.name === name)?.resourceClaimName;
    const claim = resourceClaimName ?? made;
    return claim === undefined ? [] : [{ name, claim }];
  });
}

/** Kubernetes' limit of pods that share a claim. */
export const consumersMax = 256;
/** A claim that is allocated is not removed before its devices are given back. */
export const deviceClaimProtection = 'resource.kubernetes.io/delete-protection';
/** On a claim that came of a template: what the pod calls it. */
export const podClaimNameAnnotation = 'resource.kubernetes.io/pod-claim-name';
