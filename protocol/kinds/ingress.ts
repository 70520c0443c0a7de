import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressLoadBalancerIngress,
  IngressRule,
  IngressSpec,
} from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { validateIp } from './address-rules.ts';
import { invalid, invalidFor, notSupported, required } from './cause.ts';
import { ageColumn, firstOf, nameColumn, none, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import {
  dns1035Label,
  dnsSubdomain,
  isIpAddress,
  pathSegment,
  portName,
  portNumber,
  wildcardSubdomain,
} from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';

const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix'];
const classAnnotation = 'kubernetes.io/ingress.class';

export const ingressKind = defineKind<Ingress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  plural: 'ingresses',
  singular: 'ingress',
  shortNames: ['ing'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.networking.v1.Ingress',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    textColumn('Class', 'Who carries it out.', ({ spec }) => spec?.ingressClassName ?? none),
    textColumn('Hosts', 'Hosts it answers for.', ({ spec }) =>
      firstOf(
        (spec?.rules ?? []).flatMap(({ host }) => host || []),
        '*',
      ),
    ),
    textColumn('Address', 'Where it can be reached.', ({ status }) => {
      const points = (status?.loadBalancer?.ingress ?? []).flatMap(
        ({ ip, hostname }) => ip || hostname || [],
      );
      return [...new Set(points)].sort().join(',');
    }),
    textColumn('Ports', 'Ports it listens on.', ({ spec }) => (spec?.tls?.length ? '80, 443' : '80')),
    ageColumn,
  ],
  selectableFields: {},

  prepareCreate(ingress) {
    ingress.status = { loadBalancer: {} };
  },
  prepareUpdate: separateStatus,
  validate: (ingress, old) => [
    ...validateObjectMeta(ingress, dnsSubdomain),
    ...validateSpec(ingress.spec ?? {}, 'spec'),
    ...(old ? [] : validateClassAnnotation(ingress)),
  ],
  validateUpdate: (next, _old, subresource) =>
    subresource === 'status' ? validateEntryPoints(next.status?.loadBalancer?.ingress ?? []) : [],
});

function validateEntryPoints(points: readonly IngressLoadBalancerIngress[]): StatusCause[] {
  return points.flatMap(({ ip, hostname }, index) => {
    const path = `status.loadBalancer.ingress[${index}]`;
    const causes = ip ? validateIp(`${path}.ip`, ip) : [];
    return hostname ? [...causes, ...validateHostname(`${path}.hostname`, hostname)] : causes;
  });
}

/** A host name of an entry point, which no address may stand for. */
export function validateHostname(field: string, hostname: string): StatusCause[] {
  const causes = invalidFor(field, hostname, dnsSubdomain(hostname));
  if (isIpAddress(hostname)) causes.push(invalid(field, hostname, 'must be a DNS name, not an IP address'));
  return causes;
}

function validateClassAnnotation({ metadata, spec }: Ingress): StatusCause[] {
  const named = metadata?.annotations?.[classAnnotation];
  if (named === undefined || !spec?.ingressClassName || named === spec.ingressClassName) return [];
  const detail = 'must match `ingressClassName` when both are specified';
  return [invalid(`annotations.${classAnnotation}`, named, detail)];
}

/** Source of rules and wording: k8s.io/kubernetes/pkg/apis/networking/validation. */
function validateSpec(spec: IngressSpec, field: string): StatusCause[] {
  const { rules = [], defaultBackend, tls = [], ingressClassName } = spec;
  const causes: StatusCause[] = [];
  if (rules.length === 0 && !defaultBackend) {
    causes.push(invalid(field, rules, 'either `defaultBackend` or `rules` must be specified'));
  }
  if (defaultBackend) causes.push(...validateBackend(defaultBackend, `${field}.defaultBackend`));
  rules.forEach((rule, index) => causes.push(...validateRule(rule, `${field}.rules[${index}]`)));
  tls.forEach(({ hosts = [], secretName }, index) => {
    const path = `${field}.tls[${index}]`;
    hosts.forEach((host, at) => causes.push(...validateHost(host, `${path}.hosts[${at}]`)));
    if (secretName) causes.push(...invalidFor(`${path}.secretName`, secretName, dnsSubdomain(secretName)));
  });
  if (ingressClassName !== undefined) {
    causes.push(...invalidFor(`${field}.ingressClassName`, ingressClassName, dnsSubdomain(ingressClassName)));
  }
  return causes;
}

function validateHost(host: string, field: string): StatusCause[] {
  return invalidFor(field, host, host.includes('*') ? wildcardSubdomain(host) : dnsSubdomain(host));
}

function validateRule({ host, http }: IngressRule, field: string): StatusCause[] {
  const causes: StatusCause[] = [];
  if (host) {
    if (isIpAddress(host)) {
      causes.push(invalid(`${field}.host`, host, 'must be a DNS name, not an IP address'));
    }
    causes.push(...validateHost(host, `${field}.host`));
  }
  if (!http) return causes;
  const paths = http.paths ?? [];
  if (paths.length === 0) return [...causes, required(`${field}.http.paths`)];
  return [...causes, ...paths.flatMap((path, index) => validatePath(path, `${field}.http.paths[${index}]`))];
}

const refusedSequences = ['//', '/./', '/../', '%2f', '%2F'];
const refusedEndings = ['/..', '/.'];

function validatePath({ path = '', pathType, backend }: HTTPIngressPath, field: string): StatusCause[] {
  if (pathType === undefined) return [required(`${field}.pathType`, 'pathType must be specified')];
  const causes: StatusCause[] = [];
  const strict = pathType === 'Exact' || pathType === 'Prefix';
  if (!pathTypes.includes(pathType)) causes.push(notSupported(`${field}.pathType`, pathType, pathTypes));
  else if (!path.startsWith('/') && (strict || path !== '')) {
    causes.push(invalid(`${field}.path`, path, 'must be an absolute path'));
  }
  if (strict) {
    for (const text of refusedSequences.filter((part) => path.includes(part))) {
      causes.push(invalid(`${field}.path`, path, `must not contain '${text}'`));
    }
    for (const text of refusedEndings.filter((part) => path.endsWith(part))) {
      causes.push(invalid(`${field}.path`, path, `cannot end with '${text}'`));
    }
  }
  return [...causes, ...validateBackend(backend ?? {}, `${field}.backend`)];
}

function validateBackend({ service, resource }: IngressBackend, field: string): StatusCause[] {
  if (service && resource) return [invalid(field, '', 'cannot set both resource and service backends')];
  if (resource) {
    const { apiGroup } = resource;
    return [
      ...(apiGroup ? invalidFor(`${field}.resource.apiGroup`, apiGroup, dnsSubdomain(apiGroup)) : []),
      ...(['kind', 'name'] as const).flatMap((part) =>
        resource[part]
          ? invalidFor(`${field}.resource.${part}`, resource[part], pathSegment(resource[part]))
          : [required(`${field}.resource.${part}`)],
      ),
    ];
  }
  if (!service) return [invalid(field, '', 'resource or service backend is required')];
  const { name, number } = service.port ?? {};
  const causes = service.name
    ? invalidFor(`${field}.service.name`, service.name, dns1035Label(service.name))
    : [required(`${field}.service.name`)];
  if (name && number) causes.push(invalid(field, '', 'cannot set both port name & port number'));
  else if (name) causes.push(...invalidFor(`${field}.service.port.name`, name, portName(name)));
  else if (number) causes.push(...invalidFor(`${field}.service.port.number`, number, portNumber(number)));
  else causes.push(required(field, 'port name or number is required'));
  return causes;
}
