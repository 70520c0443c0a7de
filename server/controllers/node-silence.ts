import type { Node } from '../../protocol/generated/models.ts';

/** Whether the device is out of reach: nothing can be told to it, and what it runs it runs on. */
export function isSilent(node: Readonly<Node>): boolean {
  return node.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'Unknown';
}

/** Since when, milliseconds since 1970; undefined for a device that is heard. */
export function silentSinceMs(node: Readonly<Node>): number | undefined {
  if (!isSilent(node)) return undefined;
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
  return Date.parse(ready?.lastTransitionTime ?? '') || 0;
}
