import type { Node, Taint } from '../generated/models.ts';
import { parseCidr } from '../ip-address.ts';
import type { StatusCause } from '../status.ts';
import { validateCidr } from './address-rules.ts';
import { duplicate, forbidden, invalid, invalidFor, oneOf, sameValue } from './cause.ts';
import { ageColumn, nameColumn, none } from './columns.ts';
import { allVerbs, type Column, defineKind } from './define-kind.ts';
import { dnsSubdomain, labelValue, qualifiedName } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { taintEffects } from './pod-spec/validate-pod-spec.ts';
import { validateQuantity } from './resource-names.ts';

const rolePrefix = 'node-role.kubernetes.io/';

export const nodeKind = defineKind<Node>({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  singular: 'node',
  shortNames: ['no'],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.core.v1.Node',
  verbs: allVerbs,
  subresources: ['proxy', 'status'],
  columns: [
    nameColumn,
    {
      name: 'Status',
      type: 'string',
      description: 'Whether the node is ready, and whether it takes new pods.',
      value: statusText,
    },
    {
      name: 'Roles',
      type: 'string',
      description: "The node's roles, from its labels.",
      value: (node) => rolesOf(node).join(',') || none,
    },
    ageColumn,
    {
      name: 'Version',
      type: 'string',
      description: 'Version of the agent.',
      value: ({ status }) => status?.nodeInfo?.kubeletVersion ?? '',
    },
    addressColumn('Internal-IP', 'InternalIP'),
    addressColumn('External-IP', 'ExternalIP'),
    infoColumn('OS-Image', 'osImage', 'Operating system of the node.'),
    infoColumn('Kernel-Version', 'kernelVersion', 'Kernel of the node.'),
    infoColumn('Container-Runtime', 'containerRuntimeVersion', 'What runs the containers, and its version.'),
  ],
  selectableFields: { 'spec.unschedulable': ({ spec }) => String(spec?.unschedulable ?? false) },
  generationOf: false,

  applyDefaults(node) {
    node.spec ??= {};
    node.status ??= {};
    if (node.status.capacity && !node.status.allocatable) {
      node.status.allocatable = { ...node.status.capacity };
    }
  },
  prepareUpdate: separateStatus,
  validate: (node) => [
    ...validateObjectMeta(node, dnsSubdomain),
    ...validateTaints(node.spec?.taints ?? [], 'metadata.taints'),
    ...validateAmounts(node),
    ...validateRanges(node.spec?.podCIDRs ?? []),
  ],
  validateUpdate: (next, old, subresource) => {
    const causes = validateAddresses(next);
    if (subresource === 'status') causes.push(...validateAmounts(next));
    if (old.spec?.providerID && next.spec?.providerID !== old.spec.providerID) {
      causes.push(
        forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'),
      );
    }
    if ((old.spec?.podCIDRs ?? []).length > 0 && !sameValue(next.spec?.podCIDRs, old.spec?.podCIDRs)) {
      causes.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
    }
    return causes;
  },
});

function statusText({ spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const states: string[] = [];
  if (!ready) states.push('Unknown');
  else states.push(ready.status === 'True' ? 'Ready' : 'NotReady');
  if (spec?.unschedulable === true) states.push('SchedulingDisabled');
  return states.join(',');
}

function rolesOf({ metadata }: Node): string[] {
  const roles = Object.entries(metadata?.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(rolePrefix)) return [key.slice(rolePrefix.length)];
    return key === 'kubernetes.io/role' ? [value] : [];
  });
  return [...new Set(roles.filter((role) => role !== ''))].sort();
}

function addressColumn(name: string, type: string): Column<Node> {
  return {
    name,
    type: 'string',
    priority: 1,
    description: `The node's first address of type ${type}.`,
    value: ({ status }) => status?.addresses?.find((one) => one.type === type)?.address ?? none,
  };
}

function infoColumn(
  name: string,
  field: 'osImage' | 'kernelVersion' | 'containerRuntimeVersion',
  description: string,
): Column<Node> {
  return {
    name,
    type: 'string',
    priority: 1,
    description,
    value: ({ status }) => status?.nodeInfo?.[field] || '<unknown>',
  };
}

/** Source of rules, paths and wording: k8s.io/kubernetes/pkg/apis/core/validation, validateNodeTaints. */
function validateTaints(taints: readonly Taint[], field: string): StatusCause[] {
  const seen = new Set<string>();
  return taints.flatMap((taint, index) => {
    const path = `${field}[${index}]`;
    const { value = '', effect, timeAdded = null } = taint;
    const key = taint.key ?? '';
    const wrong = labelValue(value);
    const causes = [
      ...invalidFor(`${path}.key`, key, qualifiedName(key)),
      ...(wrong.length > 0 ? [invalid(`${path}.value`, value, wrong.join(';'))] : []),
      ...oneOf(`${path}.effect`, effect, taintEffects),
    ];
    const same = `${key}:${effect}`;
    if (seen.has(same)) {
      const shown = { Key: key, Value: value, Effect: effect, TimeAdded: timeAdded };
      causes.push(duplicate(path, shown, 'taints must be unique by key and effect pair'));
    }
    seen.add(same);
    return causes;
  });
}

function validateAmounts({ status }: Node): StatusCause[] {
  return (['capacity', 'allocatable'] as const).flatMap((list) =>
    Object.entries(status?.[list] ?? {}).flatMap(([name, amount]) =>
      validateQuantity(name, amount, `status.${list}.${name}`),
    ),
  );
}

function validateRanges(ranges: readonly string[]): StatusCause[] {
  const field = 'spec.podCIDRs';
  const causes = ranges.flatMap((range, index) => validateCidr(`${field}[${index}]`, range));
  const families = new Set(ranges.map((range) => parseCidr(range)?.family));
  if (ranges.length > 1 && (ranges.length > 2 || families.size < 2)) {
    causes.push(invalid(field, ranges, 'may specify no more than one CIDR for each IP family'));
  }
  ranges.forEach((range, index) => {
    if (ranges.indexOf(range) < index) causes.push(duplicate(`${field}[${index}]`, range));
  });
  return causes;
}

function validateAddresses({ status }: Node): StatusCause[] {
  const seen = new Set<string>();
  return (status?.addresses ?? []).flatMap(({ type, address }, index) => {
    const same = `${type}/${address}`;
    const shown = { Type: type, Address: address };
    const causes = seen.has(same) ? [duplicate(`status.addresses[${index}]`, shown)] : [];
    seen.add(same);
    return causes;
  });
}
