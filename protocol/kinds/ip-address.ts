import type { IPAddress, ParentReference } from '../generated/models.ts';
import { parseIp } from '../ip-address.ts';
import type { StatusCause } from '../status.ts';
import { ipFault } from './address-rules.ts';
import { immutable, invalidFor, required } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain, pathSegment } from './name-rules.ts';
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
    ...validateObjectMeta(address, (name) => (parseIp(name) ? [] : [ipFault])),
    ...validateHolder(address.spec?.parentRef, 'spec.parentRef'),
  ],
  validateUpdate: (next, old) => immutable('spec.parentRef', next.spec?.parentRef, old.spec?.parentRef),
});

function validateHolder(holder: ParentReference | undefined, field: string): StatusCause[] {
  if (!holder) return [required(field)];
  const { group, resource, name, namespace } = holder;
  const causes = group ? invalidFor(`${field}.group`, group, dnsSubdomain(group)) : [];
  for (const [part, value] of Object.entries({ resource, name })) {
    causes.push(
      ...(value ? invalidFor(`${field}.${part}`, value, pathSegment(value)) : [required(`${field}.${part}`)]),
    );
  }
  if (namespace) causes.push(...invalidFor(`${field}.namespace`, namespace, pathSegment(namespace)));
  return causes;
}
