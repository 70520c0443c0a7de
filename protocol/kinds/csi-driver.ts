import type { CSIDriver, StorageTokenRequest } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { duplicate, immutable, invalid, optionalOneOf } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { validateDriverName } from './volume-access.ts';

const modes = ['Ephemeral', 'Persistent'];
const unset = '<unset>';
/** Fixed once the driver is known. */
const fixed = ['attachRequired', 'fsGroupPolicy', 'volumeLifecycleModes'] as const;

export const csiDriverKind = defineKind<CSIDriver>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  plural: 'csidrivers',
  singular: 'csidriver',
  shortNames: [],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.storage.v1.CSIDriver',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    textColumn('AttachRequired', 'Whether volumes are attached before they are mounted.', ({ spec }) =>
      String(spec?.attachRequired ?? true),
    ),
    textColumn('PodInfoOnMount', 'Whether it is told about the pod.', ({ spec }) =>
      String(spec?.podInfoOnMount ?? false),
    ),
    textColumn('StorageCapacity', 'Whether it says how much room there is.', ({ spec }) =>
      String(spec?.storageCapacity ?? false),
    ),
    textColumn(
      'TokenRequests',
      'Audiences of the tokens it is given.',
      ({ spec }) => (spec?.tokenRequests ?? []).map(({ audience }) => audience).join(',') || unset,
    ),
    textColumn('RequiresRepublish', 'Whether it is asked again and again.', ({ spec }) =>
      String(spec?.requiresRepublish ?? false),
    ),
    textColumn('Modes', 'Volumes it makes.', ({ spec }) => spec?.volumeLifecycleModes?.join(',') || '<none>'),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: ({ spec }) => ({ tokens: spec?.tokenRequests, again: spec?.requiresRepublish }),

  applyDefaults(driver) {
    const spec = (driver.spec ??= {});
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
    if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ['Persistent'];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  validate: (driver) => {
    const { name = '' } = driver.metadata ?? {};
    const { fsGroupPolicy, tokenRequests = [], volumeLifecycleModes = [] } = driver.spec ?? {};
    return [
      ...validateObjectMeta(driver, dnsSubdomain),
      ...(name === '' ? [] : validateDriverName(name, 'name')),
      ...optionalOneOf('spec.fsGroupPolicy', fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType']),
      ...volumeLifecycleModes.flatMap((mode) => optionalOneOf('spec.volumeLifecycleModes', mode, modes)),
      ...validateTokenRequests(tokenRequests),
    ];
  },
  validateUpdate: (next, old) =>
    fixed.flatMap((field) => immutable(shownAs(field), next.spec?.[field], old.spec?.[field])),
});

/** Kubernetes calls one of the fields otherwise when it refuses it. */
function shownAs(field: string): string {
  return field === 'attachRequired' ? 'spec.attachedRequired' : `spec.${field}`;
}

const tokenSecondsMin = 600;
const tokenSecondsMax = 2 ** 32;

function validateTokenRequests(requests: readonly StorageTokenRequest[]): StatusCause[] {
  const audiences = requests.map(({ audience }) => audience);
  return requests.flatMap(({ audience, expirationSeconds: seconds }, index) => {
    const path = `spec.tokenRequests[${index}]`;
    const causes = audiences.indexOf(audience) < index ? [duplicate(`${path}.audience`, audience)] : [];
    if (seconds === undefined) return causes;
    const field = `${path}.expirationSeconds`;
    if (seconds < tokenSecondsMin)
      causes.push(invalid(field, seconds, 'may not specify a duration less than 10 minutes'));
    if (seconds > tokenSecondsMax)
      causes.push(invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds'));
    return causes;
  });
}
