import type { IPAddress } from '../generated/models.ts';
import { parseIp } from '../ip-address.ts';
import { immutable, required } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateObjectMeta } from './object-meta.ts';

/** An address that a Service holds; its name is the address. */
export const ipAddressKind = defineKind<IPAddress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  singular: 'ipaddress',
  shortNames: ['ip'],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.networking.v1.IPAddress',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    textColumn('ParentRef', 'Who holds it.', ({ spec }) => {
      const { resource, group, namespace, name } = spec?.parentRef ?? {};
      const holder = [group ? `${resource ?? ''}.${group}` : resource, namespace, name];
      return holder.filter((part) => part).join('/');
    }),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,

  validate: (address) => [
    ...validateObjectMeta(address, (name) =>
      parseIp(name) ? [] : ['a valid IP address must be given (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ),
    ...(['resource', 'name'] as const)
      .filter((part) => !address.spec?.parentRef?.[part])
      .map((part) => required(`spec.parentRef.${part}`)),
  ],
  validateUpdate: (next, old) => immutable('spec.parentRef', next.spec?.parentRef, old.spec?.parentRef),
});
