import type { Pod } from '../../protocol/generated/models.ts';
import type { PortMapping, SandboxSpec } from '../drivers/driver.ts';
import { type PodContainers, viewContainer } from './container-view.ts';
import { nodeLimits, type PartPlan, type PlanContext, type PlanInput } from './plan-parts.ts';
import { podHostname } from './pod-names.ts';
import { podLimits } from './resource-limits.ts';
import { type Step, sandboxTarget, targetOf } from './steps.ts';
import { sysctlsOf } from './sysctls.ts';

/**
 * The sandbox comes first. One that died takes its containers with it: what still runs is stopped, then a new one
 * is made and everything that should run starts in it again, init containers included.
 */
export function planSandbox(
  { pod, state, now, context }: PlanInput & { pod: Pod },
  { init, main }: PodContainers,
): PartPlan & { ready: boolean } {
  const { sandbox } = state.record;
  if (sandbox && state.sandbox?.state === 'ready') return { ready: true, steps: [] };
  if (sandbox && state.sandbox === undefined) return { ready: false, steps: [] };

  const views = [...init, ...main].map(({ name }) => viewContainer(state, name));
  const graceMs = graceSecondsOf(pod) * 1000;
  const alive = views.flatMap((view) =>
    view.is === 'running' || view.is === 'created' ? [view.record.handle] : [],
  );
  if (alive.length > 0) {
    const stops = alive.map((handle): Step => ({ type: 'stopContainer', handle, graceMs }));
    return { ready: false, steps: stops.filter((step) => !state.underWay[targetOf(step)]) };
  }
  if (state.underWay[sandboxTarget] || views.some(({ is }) => is === 'unseen'))
    return { ready: false, steps: [] };
  const failure = state.failures[sandboxTarget];
  const waiting = failure && { reason: failure.code, message: failure.message };
  if (failure && failure.retryAtMs > now.monotonicMs) {
    return { ready: false, steps: [], wakeAtMs: failure.retryAtMs, ...(waiting ? { waiting } : {}) };
  }
  const create: Step = { type: 'createSandbox', spec: sandboxSpec(pod, context) };
  return { ready: false, steps: [create], ...(waiting ? { waiting } : {}) };
}

/** Kubernetes' order of precedence, 30 s when nobody says anything. */
export function graceSecondsOf(pod: Pod): number {
  return pod.metadata?.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
}

function sandboxSpec(pod: Pod, context: PlanContext): SandboxSpec {
  const { metadata, spec } = pod;
  return {
    podUid: metadata?.uid ?? '',
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    hostname: podHostname(pod, context.nodeHostname),
    hostNetwork: spec?.hostNetwork ?? false,
    ports: spec?.hostNetwork ? [] : publishedPorts(pod),
    labels: metadata?.labels ?? {},
    limits: podLimits(pod, nodeLimits(context)),
    ...(spec?.securityContext?.sysctls?.length ? { sysctls: sysctlsOf(spec) } : {}),
  };
}

function publishedPorts({ spec }: Pod): PortMapping[] {
  return (spec?.containers ?? []).flatMap(({ ports }) =>
    (ports ?? []).flatMap(({ containerPort, hostPort, hostIP, protocol }) =>
      hostPort
        ? [
            {
              containerPort,
              hostPort,
              hostIp: hostIP ?? '',
              protocol: protocolOf(protocol),
            } as const,
          ]
        : [],
    ),
  );
}

function protocolOf(protocol: string | undefined): PortMapping['protocol'] {
  return protocol === 'UDP' || protocol === 'SCTP' ? protocol : 'TCP';
}
