import type { IngressClass, IngressClassParametersReference } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { forbidden, immutable, invalidFor, oneOf, required, tooLong } from './cause.ts';
import { ageColumn, nameColumn, none, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsLabel, dnsSubdomain, domainPrefixedPath, pathSegment } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

const controllerLengthMax = 250;

export const ingressClassKind = defineKind<IngressClass>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  singular: 'ingressclass',
  shortNames: [],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.networking.v1.IngressClass',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    textColumn('Controller', 'Who carries its ingresses out.', ({ spec }) => spec?.controller ?? ''),
    textColumn('Parameters', 'The object that configures it.', ({ spec }) => {
      const { apiGroup, kind, name } = spec?.parameters ?? {};
      if (kind === undefined) return none;
      return `${kind}${apiGroup ? `.${apiGroup}` : ''}/${name ?? ''}`;
    }),
    ageColumn,
  ],
  selectableFields: {},

  applyDefaults({ spec }) {
    if (spec?.parameters) spec.parameters.scope ??= 'Cluster';
  },
  validate: (object) => [
    ...validateObjectMeta(object, dnsSubdomain),
    ...validateController(object.spec?.controller, 'spec.controller'),
    ...validateParameters(object.spec?.parameters, 'spec.parameters'),
  ],
  validateUpdate: (next, old) => immutable('spec.controller', next.spec?.controller, old.spec?.controller),
});

function validateController(controller: string | undefined, field: string): StatusCause[] {
  if (!controller) return [required(field)];
  const long = controller.length > controllerLengthMax ? [tooLong(field, controllerLengthMax)] : [];
  return [...long, ...invalidFor(field, controller, domainPrefixedPath(controller))];
}

/** Source: k8s.io/kubernetes/pkg/apis/networking/validation, validateIngressClassParametersReference. */
function validateParameters(
  parameters: IngressClassParametersReference | undefined,
  field: string,
): StatusCause[] {
  if (!parameters) return [];
  const { apiGroup, namespace, scope } = parameters;
  const causes = (['kind', 'name'] as const).flatMap((part) =>
    parameters[part]
      ? invalidFor(`${field}.${part}`, parameters[part], pathSegment(parameters[part]))
      : [required(`${field}.${part}`)],
  );
  if (apiGroup) causes.push(...invalidFor(`${field}.apiGroup`, apiGroup, dnsSubdomain(apiGroup)));
  causes.push(...oneOf(`${field}.scope`, scope, ['Cluster', 'Namespace']));
  if (scope === 'Namespace') {
    causes.push(
      ...(namespace === undefined
        ? [required(`${field}.namespace`, "`parameters.scope` is set to 'Namespace'")]
        : invalidFor(`${field}.namespace`, namespace, dnsLabel(namespace))),
    );
  } else if (scope === 'Cluster' && namespace !== undefined) {
    causes.push(forbidden(`${field}.namespace`, "`parameters.scope` is set to 'Cluster'"));
  }
  return causes;
}
