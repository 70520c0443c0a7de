import type { ResourceSlice, ResourceSliceSpec } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { duplicate, immutable, invalid, invalidFor, required, tooMany } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsLabel, dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

const devicesMax = 128;

export const resourceSliceKind = defineKind<ResourceSlice>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceSlice',
  plural: 'resourceslices',
  singular: 'resourceslice',
  shortNames: [],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.resource.v1.ResourceSlice',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    textColumn('Node', 'The node that has the devices.', ({ spec }) => nodeText(spec)),
    textColumn('Driver', 'Who knows the devices.', ({ spec }) => spec?.driver ?? ''),
    textColumn('Pool', 'The pool that they belong to.', ({ spec }) => spec?.pool?.name ?? ''),
    ageColumn,
  ],
  selectableFields: {
    'spec.nodeName': ({ spec }) => spec?.nodeName ?? '',
    'spec.driver': ({ spec }) => spec?.driver ?? '',
  },

  validate: (slice) => [...validateObjectMeta(slice, dnsSubdomain), ...validateSpec(slice.spec ?? {})],
  validateUpdate: (next, old) => [
    ...immutable('spec.driver', next.spec?.driver, old.spec?.driver),
    ...immutable('spec.pool.name', next.spec?.pool?.name, old.spec?.pool?.name),
    ...immutable('spec.nodeName', next.spec?.nodeName, old.spec?.nodeName),
  ],
});

function nodeText(spec: Partial<ResourceSliceSpec> | undefined): string {
  if (spec?.nodeName) return spec.nodeName;
  if (spec?.allNodes === true) return '<all>';
  return spec?.nodeSelector ? '<selector>' : '<unset>';
}

function validateSpec(spec: Partial<ResourceSliceSpec>): StatusCause[] {
  const { driver, pool, nodeName, allNodes, nodeSelector, perDeviceNodeSelection, devices = [] } = spec;
  const places = [nodeName, allNodes === true, nodeSelector, perDeviceNodeSelection === true].filter(Boolean);
  const causes = driver ? invalidFor('spec.driver', driver, dnsSubdomain(driver)) : [required('spec.driver')];
  if (!pool?.name) causes.push(required('spec.pool.name'));
  const choice = '`nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection`';
  if (places.length === 0) causes.push(required('spec', `exactly one of ${choice} is required`));
  if (places.length > 1) causes.push(invalid('spec', spec, `exactly one of ${choice} is required`));
  if (devices.length > devicesMax) return [...causes, tooMany('spec.devices', devices.length, devicesMax)];
  const names = new Set<string>();
  devices.forEach(({ name }, index) => {
    const field = `spec.devices[${index}].name`;
    causes.push(...(name ? invalidFor(field, name, dnsLabel(name)) : [required(field)]));
    if (names.has(name)) causes.push(duplicate(field, name));
    names.add(name);
  });
  return causes;
}
