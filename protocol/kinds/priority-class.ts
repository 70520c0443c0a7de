import type { PriorityClass } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { forbidden, immutable, oneOf } from './cause.ts';
import { ageColumn, nameColumn, numberColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

const userValueMax = 1_000_000_000;
const systemPrefix = 'system-';

/** The two classes of the system itself, with the only values they may have. */
export const systemPriorities: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2 * userValueMax,
  'system-node-critical': 2 * userValueMax + 1000,
};

export const priorityClassKind = defineKind<PriorityClass>({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  singular: 'priorityclass',
  shortNames: ['pc'],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.scheduling.v1.PriorityClass',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    numberColumn('Value', 'Higher goes first.', ({ value }) => value ?? 0),
    {
      name: 'Global-Default',
      type: 'boolean',
      description: 'Whether it is for pods that name no class.',
      value: ({ globalDefault }) => globalDefault ?? false,
    },
    ageColumn,
    textColumn(
      'PreemptionPolicy',
      'Whether its pods push others out.',
      ({ preemptionPolicy }) => preemptionPolicy ?? '<unset>',
    ),
  ],
  selectableFields: {},
  generationOf: ({ value, globalDefault, description, preemptionPolicy }) => ({
    value,
    globalDefault,
    description,
    preemptionPolicy,
  }),

  applyDefaults(object) {
    object.value ??= 0;
    object.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  validate: (object) => [
    ...validateObjectMeta(object, dnsSubdomain),
    ...validateValue(object),
    ...oneOf('preemptionPolicy', object.preemptionPolicy, ['Never', 'PreemptLowerPriority']),
  ],
  validateUpdate: (next, old) => [
    ...(next.value === old.value ? [] : [forbidden('value', 'may not be changed in an update.')]),
    ...immutable('preemptionPolicy', next.preemptionPolicy, old.preemptionPolicy),
  ],
});

/** Source of rules and wording: k8s.io/kubernetes/pkg/apis/scheduling/validation. */
function validateValue({ metadata, value = 0 }: PriorityClass): StatusCause[] {
  const { name = '' } = metadata ?? {};
  if (Object.hasOwn(systemPriorities, name) && systemPriorities[name] === value) return [];
  if (name.startsWith(systemPrefix)) {
    const detail = `priority class names with '${systemPrefix}' prefix are reserved for system use only. error: ${name} is not a known system priority class`;
    return [forbidden('metadata.name', detail)];
  }
  if (value <= userValueMax) return [];
  return [forbidden('value', `maximum allowed value of a user defined priority is ${userValueMax}`)];
}
