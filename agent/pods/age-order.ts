import type { Pod } from '../../protocol/generated/models.ts';
import type { DesiredSet } from '../desired/desired-set.ts';

/** Uids of the pods that are wanted, oldest first, so that admission at a cold start does not depend on chance. */
export function wantedInOrder({ entries }: Pick<DesiredSet, 'entries'>): string[] {
  const pods = [...entries].filter(([key]) => key.startsWith('Pod/'));
  const age = ({ metadata }: Pod) => `${metadata?.creationTimestamp ?? ''} ${metadata?.name ?? ''}`;
  return pods
    .map(([key, { object }]) => ({ uid: key.slice('Pod/'.length), age: age(object as Pod) }))
    .sort((one, other) => (one.age < other.age ? -1 : 1))
    .map(({ uid }) => uid);
}
