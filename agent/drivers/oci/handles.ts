import type { ContainerHandle, SandboxHandle, SandboxSpec } from '../driver.ts';
import { containerName, sandboxName } from './arguments.ts';

/** An engine's things are found again by their names alone. */
export function sandboxHandle(pod: Pick<SandboxSpec, 'podUid' | 'hostNetwork'>): SandboxHandle {
  return { driver: 'oci', podUid: pod.podUid, id: sandboxName(pod), data: {} };
}

export function containerHandle(spec: {
  podUid: string;
  container: string;
  attempt: number;
}): ContainerHandle {
  const { podUid, container, attempt } = spec;
  return { driver: 'oci', podUid, container, attempt, id: containerName(spec), data: {} };
}
