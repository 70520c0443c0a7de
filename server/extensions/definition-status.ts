import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
} from '../../protocol/generated/models.ts';
import { isEstablished } from '../../protocol/kinds/custom-resource-definition.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';
import type { NameConflict } from './name-conflicts.ts';

type Condition = Pick<CustomResourceDefinitionCondition, 'type' | 'status'> & {
  reason: string;
  message: string;
};

/**
 * Writes into a definition, in place, what came of its names (source: apiextensions-apiserver, naming and
 * establishing controllers).
 */
export function tellNames(
  definition: CustomResourceDefinition,
  conflict: NameConflict | undefined,
  nowMs: number,
): void {
  const status = (definition.status ??= {});
  if (!conflict) status.acceptedNames = structuredClone(definition.spec.names);
  setCondition(
    definition,
    conflict
      ? { type: 'NamesAccepted', status: 'False', ...conflict }
      : { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
    nowMs,
  );
  if (conflict && isEstablished(definition)) return;
  setCondition(
    definition,
    conflict
      ? { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' }
      : {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        },
    nowMs,
  );
}

/** Says that the objects of a definition are being deleted, and how many are left. */
export function tellTermination(definition: CustomResourceDefinition, left: number, nowMs: number): void {
  const message =
    left === 0
      ? 'CustomResource deletion is in progress'
      : `CustomResource deletion is in progress: ${left} remaining`;
  setCondition(
    definition,
    { type: 'Terminating', status: 'True', reason: 'InstanceDeletionInProgress', message },
    nowMs,
  );
}

function setCondition(definition: CustomResourceDefinition, condition: Condition, nowMs: number): void {
  const status = (definition.status ??= {});
  const conditions = status.conditions ?? [];
  const old = conditions.find(({ type }) => type === condition.type);
  const same = old?.status === condition.status;
  const lastTransitionTime = same ? old.lastTransitionTime : timestamp(nowMs);
  const next = { ...condition, ...(lastTransitionTime === undefined ? {} : { lastTransitionTime }) };
  status.conditions = old ? conditions.map((one) => (one === old ? next : one)) : [...conditions, next];
}
