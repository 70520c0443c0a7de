import type { APIService } from '../../protocol/generated/models.ts';
import { apiServiceKind } from '../../protocol/kinds/api-service.ts';
import { apiVersionOf, type KindDefinition } from '../../protocol/kinds/define-kind.ts';

/** Marks the APIServices that the server itself keeps. */
export const managedLabel = 'kube-aggregator.kubernetes.io/automanaged';

/** The APIServices of what this server answers for itself, by name. Its own group of APIServices is not among them. */
export function localApiServices(kinds: Iterable<KindDefinition>): Map<string, APIService> {
  const services = new Map<string, APIService>();
  for (const kind of kinds) {
    const { group, version, custom } = kind;
    if (group === apiServiceKind.group) continue;
    const name = `${version}.${group}`;
    const priority = custom ? customPriority : builtInPriority(apiVersionOf(kind));
    services.set(name, {
      metadata: { name, labels: { [managedLabel]: custom ? 'true' : 'onstart' } },
      spec: { ...(group === '' ? {} : { group }), version, ...priority },
    });
  }
  return services;
}

interface Priority {
  groupPriorityMinimum: number;
  versionPriority: number;
}

const customPriority: Priority = { groupPriorityMinimum: 1000, versionPriority: 100 };

/** Source: k8s.io/kubernetes, pkg/controlplane/apiserver, the priorities of the API groups. */
const groupPriorities: Readonly<Record<string, number>> = {
  v1: 18_000,
  apps: 17_800,
  'events.k8s.io': 17_750,
  'authentication.k8s.io': 17_700,
  'authorization.k8s.io': 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  'certificates.k8s.io': 17_300,
  'networking.k8s.io': 17_200,
  policy: 17_100,
  'rbac.authorization.k8s.io': 17_000,
  'storage.k8s.io': 16_800,
  'apiextensions.k8s.io': 16_700,
  'admissionregistration.k8s.io': 16_700,
  'scheduling.k8s.io': 16_600,
  'coordination.k8s.io': 16_500,
  'node.k8s.io': 16_300,
  'discovery.k8s.io': 16_200,
  'resource.k8s.io': 15_900,
};

function builtInPriority(apiVersion: string): Priority {
  if (apiVersion === 'v1') return { groupPriorityMinimum: 18_000, versionPriority: 1 };
  const [group = '', version] = apiVersion.split('/');
  return {
    groupPriorityMinimum: groupPriorities[group] ?? 15_000,
    versionPriority: version === 'v2' ? 30 : 15,
  };
}
