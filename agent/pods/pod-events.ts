import type { PodEvent as ReportedEvent } from '../../protocol/topics/sync.ts';
import { durationWords } from '../images/words.ts';
import type { ProbeTarget } from '../probes/prober.ts';
import type { Outcome } from '../probes/take-action.ts';
import type { Reason } from './plan-parts.ts';
import type { PodRecord } from './pod-record.ts';
import type { PodEvent } from './pod-state.ts';

/** What `kubectl describe pod` tells beside the status, in kubelet's words. */
export type Announcement = Pick<ReportedEvent, 'type' | 'reason' | 'message'> & { container?: string };

export function announce(event: PodEvent): Announcement | undefined {
  if (event.type === 'failed') return announceFailure(event);
  if (event.type === 'begun' && event.step.type === 'stopContainer') {
    const { container } = event.step.handle;
    const message = event.step.message ?? `Stopping container ${container}`;
    return { type: 'Normal', reason: 'Killing', message, container };
  }
  if (event.type === 'imagePulled') {
    return { type: 'Normal', reason: 'Pulled', message: pulled(event), container: event.container };
  }
  if (event.type === 'containerStarted') {
    const { container } = event.handle;
    return { type: 'Normal', reason: 'Started', message: `Started container ${container}`, container };
  }
  if (event.type === 'containerResized') {
    const { resources, handle } = event;
    const resized = JSON.stringify({ containers: [{ name: handle.container, resources }] });
    return { type: 'Normal', reason: 'ResizeCompleted', message: `Pod resize completed: ${resized}` };
  }
  if (event.type === 'hookEnded' && event.problem !== undefined)
    return warning(
      'FailedPostStartHook',
      `PostStartHook failed: ${event.problem}`,
      event.step.handle.container,
    );
  if (event.type === 'containerStopped' && event.hookProblem !== undefined)
    return warning('FailedPreStopHook', `PreStopHook failed: ${event.hookProblem}`, event.handle.container);
  return undefined;
}

function pulled({ image, fetched }: Extract<PodEvent, { type: 'imagePulled' }>): string {
  if (!fetched) return `Container image "${image}" already present on machine`;
  const { durationMs, waitedMs, sizeBytes } = fetched;
  const [took, withWaiting] = [durationMs, durationMs + waitedMs].map(durationWords);
  return `Successfully pulled image "${image}" in ${took} (${withWaiting} including waiting). Image size: ${sizeBytes} bytes.`;
}

/** What a probe found, as kubelet says it. */
export function announceProbe(
  { container, kind }: Pick<ProbeTarget, 'container' | 'kind'>,
  { result, message }: Outcome,
): Announcement {
  const probe = `${kind.slice(0, 1).toUpperCase()}${kind.slice(1)} probe`;
  if (result === 'warning') return warning('ProbeWarning', `${probe} warning: ${message}`, container);
  const what = result === 'unknown' ? 'errored' : 'failed';
  return warning('Unhealthy', `${probe} ${what}: ${message}`, container);
}

function announceFailure({
  step,
  code,
  message,
}: Extract<PodEvent, { type: 'failed' }>): Announcement | undefined {
  switch (step.type) {
    case 'createSandbox':
      return warning('FailedCreatePodSandBox', `Failed to create pod sandbox: ${message}`);
    case 'prepareVolumes':
      return warning('FailedMount', message);
    case 'pullImage':
      return warning(...pullFailure(step.image, code, message), step.container);
    case 'runContainer':
      return warning('Failed', `Error: ${message}`, step.spec.container);
    case 'postStart':
      return undefined;
    case 'stopContainer':
      return warning('FailedKillPod', `error killing container: ${message}`, step.handle.container);
    case 'resizeContainer':
      return warning('ResizeError', message, step.handle.container);
    case 'stopSandbox':
    case 'removeContainer':
    case 'removeSandbox':
    case 'removeVolumes':
      return warning('FailedKillPod', `error removing what is left of the pod: ${message}`);
  }
}

function pullFailure(image: string, code: string, message: string): [reason: string, message: string] {
  if (code === 'ErrImageNeverPull') return [code, message];
  if (code === 'InvalidImageName') return ['InspectFailed', message];
  return ['Failed', `Failed to pull image "${image}": ${message}`];
}

/** Of a container that has come to wait for a new reason. */
export function announceWaiting(
  record: PodRecord,
  container: string,
  { reason, message }: Reason,
): Announcement[] {
  const pod = `${record.name}_${record.namespace}(${record.uid})`;
  switch (reason) {
    case 'CrashLoopBackOff':
      return [
        warning('BackOff', `Back-off restarting failed container ${container} in pod ${pod}`, container),
      ];
    case 'ImagePullBackOff': {
      const backOff = (message ?? '').split(': ErrImagePull')[0] ?? '';
      const why = warning('Failed', `Error: ${reason}`, container);
      return [{ type: 'Normal', reason: 'BackOff', message: backOff, container }, why];
    }
    case 'ErrImagePull':
    case 'ErrImageNeverPull':
    case 'InvalidImageName':
      return [warning('Failed', `Error: ${reason}`, container)];
    case 'CreateContainerConfigError':
      return [warning('Failed', `Error: ${message ?? ''}`, container)];
    default:
      return [];
  }
}

function warning(reason: string, message: string, container?: string): Announcement {
  return { type: 'Warning', reason, message, ...(container === undefined ? {} : { container }) };
}
