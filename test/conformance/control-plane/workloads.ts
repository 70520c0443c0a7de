import type { Deployment, DeploymentSpec, Pod, PodSpec } from '../../../protocol/generated/models.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import type { ControlPlane } from './control-plane.ts';

export function podSpec(cpu = '100m', image = 'v1', more: Partial<PodSpec> = {}): PodSpec {
  return { containers: [{ name: 'c', image, resources: { requests: { cpu } } }], ...more };
}

export function pod(name: string, cpu?: string, more: Partial<PodSpec> = {}): Pod {
  return { metadata: { name, namespace: 'default', labels: { name } }, spec: podSpec(cpu, 'v1', more) };
}

export function deployment(name: string, spec: Partial<DeploymentSpec> = {}, podMore?: PodSpec): Deployment {
  return {
    metadata: { name, namespace: 'default' },
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: podMore ?? podSpec() },
      ...spec,
    },
  };
}

export async function changeDeployment(
  { registry }: ControlPlane,
  name: string,
  change: (spec: DeploymentSpec) => void,
): Promise<void> {
  await registry.mutate(deploymentKind, { namespace: 'default', name }, ({ spec }) => {
    if (spec) change(spec);
  });
}

export function setImage(image: string): (spec: DeploymentSpec) => void {
  return ({ template }) => {
    const [container] = template.spec?.containers ?? [];
    if (container) container.image = image;
  };
}

/** What `kubectl rollout status` makes of a Deployment (source: kubectl/pkg/polymorphichelpers, rollout_status.go). */
export function rolloutStatus({
  metadata,
  spec,
  status,
}: Readonly<Deployment>): 'done' | 'failed' | 'waiting' {
  if ((metadata?.generation ?? 0) > (status?.observedGeneration ?? 0)) return 'waiting';
  const progressing = status?.conditions?.find(({ type }) => type === 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded') return 'failed';
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status ?? {};
  if (updatedReplicas < (spec?.replicas ?? 1)) return 'waiting';
  return replicas > updatedReplicas || availableReplicas < updatedReplicas ? 'waiting' : 'done';
}

/** Waits as `kubectl rollout status` does. */
export async function untilRolledOut(plane: ControlPlane, name: string, withinMs?: number): Promise<void> {
  await plane.until(
    `${name} is rolled out`,
    async () => {
      const found = await plane.find(deploymentKind, name);
      return found !== undefined && rolloutStatus(found) === 'done';
    },
    withinMs,
  );
}
