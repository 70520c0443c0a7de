import type { NodeAllocatable } from './admission.ts';
import type { EnvironmentSources } from './environment.ts';
import type { ExecutorOptions } from './executors.ts';

/** What the pods need to know of the node that they are on. */
export interface NodeFacts {
  name: string;
  hostname: string;
  bootId: string;
  /** The node's own addresses, the one towards the server first. */
  hostIps: () => readonly string[];
  allocatable: () => NodeAllocatable;
  /** As EnvironmentSources has it. */
  apiServer: EnvironmentSources['apiServer'];
  /** Processes and threads that one container may have; absent: no limit. */
  podPidsMax?: number;
  /** As AdmissionContext has it. */
  allowedSysctls?: readonly string[];
  /** As ExecutorOptions has it; absent where nothing can be measured. */
  memoryInUse?: ExecutorOptions['memoryInUse'];
  /** Conditions that are True for want of something. */
  pressures?: () => ReadonlySet<string>;
  /** By resource: `kind/name` of what counts as one. */
  counted?: () => ReadonlyMap<string, readonly string[]>;
}
