import type { Pod } from '../../protocol/generated/models.ts';
import { formatQuantity, quantityValue } from '../../protocol/quantity.ts';
import type { Shortage } from '../host/conditions.ts';
import type { EvictionSignal } from '../host/thresholds.ts';

/** A pod that might be evicted, with what its containers use of what is short. */
export interface Candidate {
  pod: Readonly<Pod>;
  /** Bytes, files or processes, whichever the shortage is of. */
  usage: number;
  /** By container, where it is known. */
  containers: ReadonlyMap<string, number>;
}

export interface Eviction {
  uid: string;
  namespace: string;
  name: string;
  /** Kubelet's words, which people search for. */
  message: string;
}

interface Resource {
  /** As a kubelet calls it to people. */
  name: string;
  /** What pods request of it. */
  requested: 'memory' | 'ephemeral-storage' | undefined;
  format: 'binary' | 'decimal';
}

export const resourceOf: Readonly<Record<EvictionSignal, Resource>> = {
  'memory.available': { name: 'memory', requested: 'memory', format: 'binary' },
  'nodefs.available': { name: 'ephemeral-storage', requested: 'ephemeral-storage', format: 'binary' },
  'nodefs.inodesFree': { name: 'inodes', requested: undefined, format: 'decimal' },
  'imagefs.available': { name: 'ephemeral-storage', requested: 'ephemeral-storage', format: 'binary' },
  'imagefs.inodesFree': { name: 'inodes', requested: undefined, format: 'decimal' },
  'pid.available': { name: 'pids', requested: undefined, format: 'decimal' },
};

/** Pods of this priority are part of the system: without them nothing would be better. */
const systemCriticalPriority = 2_000_000_000;

/**
 * Who goes first: who uses more than it asked for, then who matters less, then who uses most beyond its request. So
 * pods that asked for nothing go before those that keep within what they asked for.
 */
export function chooseVictim(shortage: Shortage, candidates: readonly Candidate[]): Eviction | undefined {
  const resource = resourceOf[shortage.signal];
  const [first] = candidates
    .filter(({ pod }) => (pod.spec?.priority ?? 0) < systemCriticalPriority)
    .map((candidate) => {
      const beyond = candidate.usage - requestOf(candidate.pod, resource);
      return { candidate, exceeds: beyond > 0, priority: candidate.pod.spec?.priority ?? 0, beyond };
    })
    .sort(
      (one, other) =>
        Number(other.exceeds) - Number(one.exceeds) ||
        one.priority - other.priority ||
        other.beyond - one.beyond,
    );
  if (!first) return undefined;
  const { uid = '', namespace = '', name = '' } = first.candidate.pod.metadata ?? {};
  return { uid, namespace, name, message: messageOf(shortage, first.candidate) };
}

function requestOf({ spec }: Readonly<Pod>, { requested }: Resource): number {
  if (requested === undefined) return 0;
  return (spec?.containers ?? []).reduce(
    (sum, { resources }) => sum + quantityValue(resources?.requests?.[requested] ?? '0'),
    0,
  );
}

function messageOf({ signal, available, threshold }: Shortage, { pod, containers }: Candidate): string {
  const { name, requested, format } = resourceOf[signal];
  const quantity = (count: number) =>
    formatQuantity({ nano: BigInt(Math.floor(count / 1024)) * 1024n * 1_000_000_000n, format });
  const shown = (count: number) => (format === 'binary' ? quantity(count) : String(count));
  const sentences = [
    `The node was low on resource: ${name}. Threshold quantity: ${shown(threshold)}, available: ${shown(available)}. `,
  ];
  for (const { name: container, resources } of pod.spec?.containers ?? []) {
    const used = containers.get(container);
    const request = requested === undefined ? '0' : (resources?.requests?.[requested] ?? '0');
    if (used === undefined || used <= quantityValue(request)) continue;
    sentences.push(
      `Container ${container} was using ${shown(used)}, request is ${request}, has larger consumption of ${name}. `,
    );
  }
  return sentences.join('');
}
