import type { KindDefinition } from '../../../protocol/kinds/define-kind.ts';
import { persistentVolumeClaimKind } from '../../../protocol/kinds/persistent-volume-claim.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { resourceClaimKind } from '../../../protocol/kinds/resource-claim.ts';
import { serviceKind } from '../../../protocol/kinds/service.ts';
import { one } from './amounts.ts';
import { claimEvaluator } from './claims.ts';
import { deviceEvaluator } from './devices.ts';
import { podEvaluator } from './pods.ts';
import { serviceEvaluator } from './services.ts';
import type { Evaluator, Usage } from './usage.ts';

/** Kinds that are counted under their bare name, too. */
const countedByName = new Set(['configmaps', 'replicationcontrollers', 'resourcequotas', 'secrets']);

const evaluators = new Map<KindDefinition, Evaluator>([
  [podKind, podEvaluator],
  [serviceKind, serviceEvaluator],
  [persistentVolumeClaimKind, claimEvaluator],
  [resourceClaimKind, deviceEvaluator],
]);

/** The evaluator of a kind with the count of its objects, which every kind has. */
export function evaluatorOf(kind: KindDefinition): Evaluator {
  const own = evaluators.get(kind);
  const counts = [
    `count/${kind.plural}${kind.group && '.'}${kind.group}`,
    ...(kind.group === '' && countedByName.has(kind.plural) ? [kind.plural] : []),
  ];
  const counted: Usage = new Map(counts.map((name) => [name, one]));
  return {
    ...own,
    covers: (name) => counted.has(name) || (own?.covers(name) ?? false),
    usage: (object) => (own ? new Map([...counted, ...own.usage(object)]) : counted),
    charges: (write) =>
      (own?.charges(write) ?? false) || (write.operation === 'CREATE' && write.subresource === ''),
  };
}
