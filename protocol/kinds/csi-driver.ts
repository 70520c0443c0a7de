import type { CSIDriver } from '../generated/models.ts';
import { immutable, invalidFor, optionalOneOf } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

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
    const { fsGroupPolicy, volumeLifecycleModes = [] } = driver.spec ?? {};
    return [
      ...validateObjectMeta(driver, dnsSubdomain),
      ...(name.length > 63 ? invalidFor('metadata.name', name, ['must be no more than 63 characters']) : []),
      ...optionalOneOf('spec.fsGroupPolicy', fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType']),
      ...volumeLifecycleModes.flatMap((mode) => optionalOneOf('spec.volumeLifecycleModes', mode, modes)),
    ];
  },
  validateUpdate: (next, old) =>
    fixed.flatMap((field) => immutable(`spec.${field}`, next.spec?.[field], old.spec?.[field])),
});
