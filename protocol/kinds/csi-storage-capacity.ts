import type { CSIStorageCapacity } from '../generated/models.ts';
import { parseQuantity } from '../quantity.ts';
import { immutable, invalid, invalidFor, required } from './cause.ts';
import { nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

export const csiStorageCapacityKind = defineKind<CSIStorageCapacity>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  plural: 'csistoragecapacities',
  singular: 'csistoragecapacity',
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.storage.v1.CSIStorageCapacity',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    textColumn(
      'StorageClassName',
      'The class it is about.',
      ({ storageClassName }) => storageClassName ?? '',
    ),
    textColumn('Capacity', 'How much room there is.', ({ capacity }) => capacity ?? '<unset>'),
  ],
  selectableFields: {},
  generationOf: false,

  validate: (object) => {
    const { storageClassName, capacity, maximumVolumeSize, nodeTopology } = object;
    const amounts = Object.entries({ capacity, maximumVolumeSize });
    return [
      ...validateObjectMeta(object, dnsSubdomain),
      ...validateLabelSelector(nodeTopology, 'nodeTopology'),
      ...(storageClassName
        ? invalidFor('storageClassName', storageClassName, dnsSubdomain(storageClassName))
        : [required('storageClassName')]),
      ...amounts.flatMap(([field, amount]) =>
        amount !== undefined && parseQuantity(amount).nano < 0n
          ? [invalid(field, amount, 'must be greater than or equal to 0')]
          : [],
      ),
    ];
  },
  validateUpdate: (next, old) => [
    ...immutable('nodeTopology', next.nodeTopology, old.nodeTopology),
    ...immutable('storageClassName', next.storageClassName, old.storageClassName),
  ],
});
