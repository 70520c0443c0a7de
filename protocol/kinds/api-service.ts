import type { APIService, APIServiceSpec, ApiregistrationServiceReference } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { invalid, invalidFor, notSupported, required } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dns1035Label, dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';

const groupPriorityMax = 20_000;
const versionPriorityMax = 1000;

/** A group and version of the API, and which server answers for it: this one, or one behind a Service. */
export const apiServiceKind = defineKind<APIService>({
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  plural: 'apiservices',
  singular: 'apiservice',
  shortNames: [],
  categories: ['api-extensions'],
  namespaced: false,
  schema: 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    textColumn('Service', 'The Service that answers for it.', ({ spec }) =>
      spec?.service ? `${spec.service.namespace ?? ''}/${spec.service.name ?? ''}` : 'Local',
    ),
    textColumn('Available', 'Whether it answers.', availableText),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,

  applyDefaults({ spec }) {
    if (spec?.service) spec.service.port ??= 443;
  },
  prepareCreate(object) {
    object.status = {};
  },
  prepareUpdate: separateStatus,
  validate: (object) => [
    ...validateObjectMeta(object, () => []),
    ...validateName(object),
    ...validateSpec(object),
  ],
  validateUpdate: (next, _old, subresource) =>
    subresource === 'status'
      ? (next.status?.conditions ?? []).flatMap(({ status }, index) =>
          ['True', 'False', 'Unknown'].includes(status)
            ? []
            : [notSupported(`status.conditions[${index}].status`, status, ['True', 'False', 'Unknown'])],
        )
      : [],
});

/** `True`, or what it is instead and why. */
function availableText({ status }: APIService): string {
  const available = status?.conditions?.find(({ type }) => type === 'Available');
  if (!available) return 'Unknown';
  return available.status === 'True' ? 'True' : `${available.status} (${available.reason ?? ''})`;
}

/** Source of rules and wording: k8s.io/kube-aggregator/pkg/apis/apiregistration/validation. */
function validateName({ metadata, spec }: APIService): StatusCause[] {
  const { name } = metadata ?? {};
  const wanted = `${spec?.version ?? ''}.${spec?.group ?? ''}`;
  if (!name || name === wanted) return [];
  return [
    invalid('metadata.name', name, `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`),
  ];
}

function validateSpec({ spec }: Partial<APIService>): StatusCause[] {
  const { group = '', version = '', groupPriorityMinimum = 0, versionPriority = 0 } = spec ?? {};
  const causes = group === '' ? [] : dnsSubdomain(group).map((fault) => invalid('spec.group', group, fault));
  if (group === '' && version !== 'v1')
    causes.push(required('spec.group', 'only v1 may have an empty group and it better be legacy kube'));
  causes.push(...invalidFor('spec.version', version, dns1035Label(version)));
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > groupPriorityMax)
    causes.push(
      invalid('spec.groupPriorityMinimum', groupPriorityMinimum, 'must be positive and less than 20000'),
    );
  if (versionPriority <= 0 || versionPriority > versionPriorityMax)
    causes.push(invalid('spec.versionPriority', versionPriority, 'must be positive and less than 1000'));
  return [...causes, ...validateTarget(spec ?? {})];
}

function validateTarget(spec: Partial<APIServiceSpec>): StatusCause[] {
  const { service, caBundle, insecureSkipTLSVerify = false } = spec;
  if (!service) {
    const causes = caBundle
      ? [
          invalid(
            'spec.caBundle',
            `${Buffer.from(caBundle, 'base64').length} bytes`,
            'local APIServices may not have a caBundle',
          ),
        ]
      : [];
    if (insecureSkipTLSVerify)
      causes.push(
        invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify'),
      );
    return causes;
  }
  const causes = validateService(service);
  if (insecureSkipTLSVerify && caBundle)
    causes.push(invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'));
  return causes;
}

function validateService({ namespace, name, port = 443 }: ApiregistrationServiceReference): StatusCause[] {
  const causes = namespace ? [] : [required('spec.service.namespace')];
  if (!name) causes.push(required('spec.service.name'));
  if (port < 1 || port > 65_535)
    causes.push(
      invalid('spec.service.port', port, 'port is not valid: must be between 1 and 65535, inclusive'),
    );
  return causes;
}
