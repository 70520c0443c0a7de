import type { Service, ServicePort, ServiceSpec } from '../generated/models.ts';
import { ageColumn, labelsText, nameColumn, none } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dns1035Label } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { validateService, validateServiceChange, validateServiceStatus } from './service/validate-service.ts';
import { carryAllocated, isExternal } from './service-fields.ts';

const affinitySecondsDefault = 3 * 60 * 60;

export const serviceKind = defineKind<Service>({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Service',
  verbs: allVerbs,
  subresources: ['proxy', 'status'],
  columns: [
    nameColumn,
    {
      name: 'Type',
      type: 'string',
      description: 'How far the service can be reached.',
      value: ({ spec }) => spec?.type ?? '',
    },
    {
      name: 'Cluster-IP',
      type: 'string',
      description: 'Its address inside the cluster.',
      value: ({ spec }) => spec?.clusterIPs?.[0] || spec?.clusterIP || none,
    },
    {
      name: 'External-IP',
      type: 'string',
      description: 'Its addresses outside the cluster.',
      value: externalAddress,
    },
    {
      name: 'Port(s)',
      type: 'string',
      description: 'Ports and protocols it takes.',
      value: ({ spec }) => (spec?.ports ?? []).map(portText).join(',') || none,
    },
    ageColumn,
    {
      name: 'Selector',
      type: 'string',
      priority: 1,
      description: 'Labels of the pods behind it.',
      value: ({ spec }) => labelsText(spec?.selector),
    },
  ],
  selectableFields: {
    'spec.clusterIP': ({ spec }) => spec?.clusterIP ?? '',
    'spec.type': ({ spec }) => spec?.type ?? '',
  },
  generationOf: false,

  applyDefaults(service) {
    defaultSpec((service.spec ??= {}));
    service.status ??= {};
    service.status.loadBalancer ??= {};
    for (const point of service.status.loadBalancer.ingress ?? []) if (point.ip) point.ipMode ??= 'VIP';
  },
  prepareCreate(service) {
    service.status = { loadBalancer: {} };
    const { spec } = service;
    if (spec?.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  },
  prepareUpdate(next, old, context) {
    separateStatus(next, old, context);
    carryAllocated((next.spec ??= {}), old.spec ?? {});
  },
  validate: (service) => [...validateObjectMeta(service, dns1035Label), ...validateService(service)],
  validateUpdate: (next, old, subresource) =>
    subresource === 'status' ? validateServiceStatus(next) : validateServiceChange(next, old),
});

/** Source: k8s.io/kubernetes/pkg/apis/core/v1, SetDefaults_Service. Addresses are given out elsewhere. */
function defaultSpec(spec: ServiceSpec): void {
  spec.sessionAffinity ||= 'None';
  spec.type ||= 'ClusterIP';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP') {
    spec.sessionAffinityConfig ??= {};
    spec.sessionAffinityConfig.clientIP ??= {};
    spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= affinitySecondsDefault;
  }
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    port.targetPort ||= port.port;
  }
  if (isExternal(spec)) spec.externalTrafficPolicy ||= 'Cluster';
  if (spec.type === 'ExternalName') return;
  spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
}

function externalAddress({ spec = {}, status }: Service): string {
  const external = spec.externalIPs ?? [];
  switch (spec.type) {
    case 'ExternalName':
      return spec.externalName ?? '';
    case 'LoadBalancer': {
      const assigned = (status?.loadBalancer?.ingress ?? []).map(
        ({ ip, hostname }) => ip || (hostname ?? ''),
      );
      return [...assigned.sort(), ...external].join(',') || '<pending>';
    }
    case undefined:
    default:
      return external.join(',') || none;
  }
}

function portText({ port, nodePort, protocol }: ServicePort): string {
  return nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`;
}
