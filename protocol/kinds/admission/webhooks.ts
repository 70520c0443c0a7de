import type {
  LabelSelector,
  MatchCondition,
  RuleWithOperations,
  ServiceReference,
  WebhookClientConfig,
} from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { duplicate, invalid, invalidFor, notSupported, oneOf, optionalOneOf, required } from '../cause.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsSubdomain, portNumber } from '../name-rules.ts';
import { validateConditions, webhookExpressions } from './expressions.ts';

/** What the two kinds of webhook configurations share (source: pkg/apis/admissionregistration). */
export interface Webhook {
  name: string;
  admissionReviewVersions: string[];
  clientConfig: WebhookClientConfig;
  sideEffects: string;
  failurePolicy?: string;
  matchPolicy?: string;
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
  rules?: RuleWithOperations[];
  timeoutSeconds?: number;
  matchConditions?: MatchCondition[];
}

export const reviewVersions = ['v1', 'v1beta1'];
const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const secondsMax = 30;

/** In place, idempotent. */
export function defaultWebhook(webhook: Webhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  defaultRules(webhook.rules);
  if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443;
}

export function defaultRules(rules: readonly { scope?: string }[] | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= '*';
}

export function validateWebhooks(webhooks: readonly Webhook[]): StatusCause[] {
  const names = new Set<string>();
  return webhooks.flatMap((webhook, index) => {
    const path = `webhooks[${index}]`;
    const repeated = names.has(webhook.name) ? [duplicate(`${path}.name`, webhook.name)] : [];
    names.add(webhook.name);
    return [...validateWebhook(webhook, path), ...repeated];
  });
}

function validateWebhook(webhook: Partial<Webhook>, field: string): StatusCause[] {
  const { name = '', timeoutSeconds = 1, sideEffects = '' } = webhook;
  const causes = validateName(name, `${field}.name`);
  causes.push(...validateReviewVersions(webhook.admissionReviewVersions ?? [], field));
  (webhook.rules ?? []).forEach((rule, index) =>
    causes.push(...validateRule(rule, `${field}.rules[${index}]`)),
  );
  causes.push(
    ...optionalOneOf(`${field}.failurePolicy`, webhook.failurePolicy, ['Fail', 'Ignore']),
    ...optionalOneOf(`${field}.matchPolicy`, webhook.matchPolicy, ['Equivalent', 'Exact']),
    ...oneOf(`${field}.sideEffects`, sideEffects, ['None', 'NoneOnDryRun']),
  );
  if (timeoutSeconds < 1 || timeoutSeconds > secondsMax) {
    const detail = `the timeout value must be between 1 and ${secondsMax} seconds`;
    causes.push(invalid(`${field}.timeoutSeconds`, timeoutSeconds, detail));
  }
  return [
    ...causes,
    ...validateLabelSelector(webhook.namespaceSelector, `${field}.namespaceSelector`),
    ...validateLabelSelector(webhook.objectSelector, `${field}.objectSelector`),
    ...(webhook.matchConditions?.length
      ? validateConditions(webhook.matchConditions, webhookExpressions(), `${field}.matchConditions`)
      : []),
    ...validateClient(webhook.clientConfig, `${field}.clientConfig`),
  ];
}

function validateName(name: string, field: string): StatusCause[] {
  if (name === '') return [required(field)];
  const faults = dnsSubdomain(name);
  if (faults.length > 0) return invalidFor(field, name, faults);
  if (name.split('.').length >= 3) return [];
  return [invalid(field, name, 'should be a domain with at least three segments separated by dots')];
}

function validateReviewVersions(versions: readonly string[], field: string): StatusCause[] {
  const path = `${field}.admissionReviewVersions`;
  if (versions.length === 0) {
    return [required(path, `must specify one of ${reviewVersions.join(', ')}`)];
  }
  if (versions.some((version) => reviewVersions.includes(version))) return [];
  return [invalid(path, versions, `must include at least one of ${reviewVersions.join(', ')}`)];
}

/** Who is asked: a Service or an HTTPS URL. */
export function validateClient(client: WebhookClientConfig | undefined, field: string): StatusCause[] {
  const { url, service } = client ?? {};
  if ((url === undefined) === (service === undefined)) {
    return [required(field, 'exactly one of url or service is required')];
  }
  return service ? validateService(service, `${field}.service`) : validateUrl(url ?? '', `${field}.url`);
}

const urlForm = '; desired format: https://host[/path]';

/** Source of rules and wording: k8s.io/apiserver/pkg/util/webhook, ValidateWebhookURL. */
function validateUrl(text: string, field: string): StatusCause[] {
  if (!URL.canParse(text)) {
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1] ?? '';
    const faults =
      scheme === 'https' ? [] : [invalid(field, scheme, `'https' is the only allowed URL scheme${urlForm}`)];
    return [...faults, invalid(field, '', `host must be specified${urlForm}`)];
  }
  const url = new URL(text);
  const scheme = url.protocol.slice(0, -1);
  const user = url.password === '' ? url.username : `${url.username}:${url.password}`;
  const faults: [boolean, string, string][] = [
    [scheme !== 'https', scheme, `'https' is the only allowed URL scheme${urlForm}`],
    [url.host === '', '', `host must be specified${urlForm}`],
    [user !== '', user, 'user information is not permitted in the URL'],
    [url.hash !== '', url.hash.slice(1), 'fragments are not permitted in the URL'],
    [url.search !== '', url.search.slice(1), 'query parameters are not permitted in the URL'],
  ];
  return faults.filter(([found]) => found).map(([, value, detail]) => invalid(field, value, detail));
}

/** Source of rules and wording: the same, ValidateWebhookService. */
function validateService(
  { name, namespace, port = 443, path }: ServiceReference,
  field: string,
): StatusCause[] {
  return [
    ...(name ? [] : [required(`${field}.name`, 'service name is required')]),
    ...(namespace ? [] : [required(`${field}.namespace`, 'service namespace is required')]),
    ...portNumber(port).map((fault) => invalid(`${field}.port`, port, `port is not valid: ${fault}`)),
    ...(path === undefined || path === '/' ? [] : validatePath(path, `${field}.path`)),
  ];
}

function validatePath(path: string, field: string): StatusCause[] {
  if (!path.startsWith('/')) return [invalid(field, path, "must start with a '/'")];
  const steps = path.slice(1).replace(/\/$/, '').split('/');
  return steps.flatMap((step, index) => {
    if (step === '') return [invalid(field, path, `segment[${index}] may not be empty`)];
    return dnsSubdomain(step).map((fault) => invalid(field, path, `segment[${index}]: ${fault}`));
  });
}

/** What refusals call the parts of a rule. */
const ruleParts = { operations: 'operations', apiGroups: 'API groups', apiVersions: 'API versions' } as const;

/** Which requests a webhook or policy is asked about. */
export function validateRule(rule: Partial<RuleWithOperations>, field: string): StatusCause[] {
  const causes: StatusCause[] = [];
  for (const [part, word] of Object.entries(ruleParts) as [keyof typeof ruleParts, string][]) {
    const values: readonly string[] = rule[part] ?? [];
    if (values.length === 0) causes.push(required(`${field}.${part}`));
    if (values.length > 1 && values.includes('*'))
      causes.push(invalid(`${field}.${part}`, values, `if '*' is present, must not specify other ${word}`));
    if (part === 'apiVersions')
      values.forEach((value, index) => {
        if (value === '') causes.push(required(`${field}.${part}[${index}]`));
      });
  }
  (rule.operations ?? []).forEach((operation, index) => {
    if (operations.includes(operation)) return;
    causes.push(notSupported(`${field}.operations[${index}]`, operation, operations));
  });
  return [
    ...causes,
    ...validateResources(rule.resources ?? [], `${field}.resources`),
    ...optionalOneOf(`${field}.scope`, rule.scope, ['*', 'Cluster', 'Namespaced']),
  ];
}

/** Source of rules and wording: pkg/apis/admissionregistration/validation, validateResources. */
function validateResources(resources: readonly string[], field: string): StatusCause[] {
  if (resources.length === 0) return [required(field)];
  const wholeOf = new Set<string>();
  const everyOf = new Set<string>();
  const causes = resources.flatMap((resource, index) => {
    const at = `${field}[${index}]`;
    if (resource === '') return [required(at)];
    const [name = '', part] = resource.split('/', 2);
    if (part === undefined || resource === '*/*') return [];
    const found: StatusCause[] = [];
    if (wholeOf.has(name))
      found.push(invalid(at, resource, `if '${name}/*' is present, must not specify ${resource}`));
    if (everyOf.has(part))
      found.push(invalid(at, resource, `if '*/${part}' is present, must not specify ${resource}`));
    if (part === '*') wholeOf.add(name);
    if (name === '*') everyOf.add(part);
    return found;
  });
  if (resources.length > 1 && resources.includes('*/*'))
    causes.push(invalid(field, resources, "if '*/*' is present, must not specify other resources"));
  const named = resources.some((resource) => resource !== '*' && !resource.includes('/'));
  if (resources.includes('*') && named) {
    const detail = "if '*' is present, must not specify other resources without subresources";
    causes.push(invalid(field, resources, detail));
  }
  return causes;
}
