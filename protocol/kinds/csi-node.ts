import type { CSINode } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { duplicate, invalid, required, sameValue } from './cause.ts';
import { ageColumn, nameColumn, numberColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

export const csiNodeKind = defineKind<CSINode>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  plural: 'csinodes',
  singular: 'csinode',
  shortNames: [],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.storage.v1.CSINode',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    numberColumn('Drivers', 'Drivers on the node.', ({ spec }) => spec?.drivers?.length ?? 0),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,

  applyDefaults(node) {
    node.spec ??= { drivers: [] };
    node.spec.drivers ??= [];
  },
  validate: (node) => {
    const names = new Set<string>();
    return [
      ...validateObjectMeta(node, dnsSubdomain),
      ...(node.spec?.drivers ?? []).flatMap(({ name, nodeID }, index) => {
        const path = `spec.drivers[${index}]`;
        const causes: StatusCause[] = [];
        if (!name) causes.push(required(`${path}.name`));
        else if (names.has(name)) causes.push(duplicate(`${path}.name`, name));
        if (!nodeID) causes.push(required(`${path}.nodeID`));
        names.add(name);
        return causes;
      }),
    ];
  },
  /** Drivers come and go; one that stays keeps what it is. */
  validateUpdate: (next, old) =>
    (next.spec?.drivers ?? []).flatMap((driver, index) => {
      const before = old.spec?.drivers.find(({ name }) => name === driver.name);
      if (!before || before.nodeID !== driver.nodeID) return [];
      const same = sameValue(before.topologyKeys, driver.topologyKeys);
      return same ? [] : [invalid(`spec.drivers[${index}]`, driver, 'field is immutable')];
    }),
});
