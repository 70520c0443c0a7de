import type {
  LabelSelector,
  MatchCondition,
  RuleWithOperations,
  WebhookClientConfig,
} from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { duplicate, invalid, invalidFor, oneOf, optionalOneOf, required } from '../cause.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsSubdomain } from '../name-rules.ts';
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
  if (url !== undefined) {
    const isHttps = URL.canParse(url) && new URL(url).protocol === 'https:';
    const detail = "'https' is the only allowed URL scheme; desired format: https://host[/path]";
    return isHttps ? [] : [invalid(`${field}.url`, url, detail)];
  }
  return (['name', 'namespace'] as const)
    .filter((part) => !service?.[part])
    .map((part) => required(`${field}.service.${part}`, `service ${part} is required`));
}

/** Which requests a webhook or policy is asked about. */
export function validateRule(rule: Partial<RuleWithOperations>, field: string): StatusCause[] {
  const causes: StatusCause[] = [];
  for (const part of ['operations', 'apiGroups', 'apiVersions', 'resources'] as const) {
    const values: readonly string[] = rule[part] ?? [];
    if (values.length === 0) causes.push(required(`${field}.${part}`));
    if (values.length > 1 && values.includes('*') && part !== 'resources') {
      causes.push(invalid(`${field}.${part}`, values, "if '*' is present, must not specify other values"));
    }
  }
  (rule.operations ?? []).forEach((operation, index) =>
    causes.push(...oneOf(`${field}.operations[${index}]`, operation, operations)),
  );
  return [...causes, ...optionalOneOf(`${field}.scope`, rule.scope, ['*', 'Cluster', 'Namespaced'])];
}
