import type { LimitRange, LimitRangeItem } from '../generated/models.ts';
import { compareQuantities, nanoPerOne, parseQuantity } from '../quantity.ts';
import type { StatusCause } from '../status.ts';
import { duplicate, forbidden, invalid, invalidFor, required } from './cause.ts';
import { createdColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain, qualifiedName } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { isOvercommitted, validateContainerResourceName, validateResourceName } from './resource-names.ts';

const types = ['Container', 'PersistentVolumeClaim', 'Pod'];

export const limitRangeKind = defineKind<LimitRange>({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  singular: 'limitrange',
  shortNames: ['limits'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.LimitRange',
  verbs: allVerbs,
  subresources: [],
  columns: [nameColumn, createdColumn],
  selectableFields: {},
  generationOf: false,

  applyDefaults({ spec }) {
    for (const item of spec?.limits ?? []) if (item.type === 'Container') defaultItem(item);
  },
  validate: (range) => {
    const items = range.spec?.limits ?? [];
    const seen = new Set<string>();
    return [
      ...validateObjectMeta(range, dnsSubdomain),
      ...items.flatMap((item, index) => {
        const path = `spec.limits[${index}]`;
        const repeated = seen.has(item.type) ? [duplicate(`${path}.type`, item.type)] : [];
        seen.add(item.type);
        return [...validateType(item.type, `${path}.type`), ...repeated, ...validateItem(item, path)];
      }),
    ];
  },
});

/** A maximum is the default, a default is the default request, and a minimum is one where nothing else is. */
function defaultItem(item: LimitRangeItem): void {
  item.default = { ...item.max, ...item.default };
  item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest };
}

function validateType(type: string, field: string): StatusCause[] {
  const faults = qualifiedName(type ?? '');
  if (faults.length > 0) return invalidFor(field, type, faults);
  if (type.includes('/') || types.includes(type)) return [];
  return [invalid(field, type, 'must be a standard limit type or fully qualified')];
}

const parts = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;

/** Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidateLimitRange. */
function validateItem(item: LimitRangeItem, field: string): StatusCause[] {
  const causes: StatusCause[] = [];
  if (item.type === 'Pod') {
    for (const part of ['default', 'defaultRequest'] as const) {
      if (Object.keys(item[part] ?? {}).length > 0) {
        causes.push(forbidden(`${field}.${part}`, "may not be specified when `type` is 'Pod'"));
      }
    }
  }
  if (item.type === 'PersistentVolumeClaim' && !item.min?.['storage'] && !item.max?.['storage']) {
    const detail = 'either minimum or maximum storage value is required, but neither was provided';
    causes.push(required(`${field}.limits`, detail));
  }
  const checkName = isOfPods(item) ? validateContainerResourceName : validateResourceName;
  const asked = item.type === 'Pod' ? parts.filter((part) => !part.startsWith('default')) : parts;
  for (const part of asked)
    for (const name of Object.keys(item[part] ?? {}))
      causes.push(...checkName(name, `${field}.${part}[${name}]`));
  const names = new Set(asked.flatMap((part) => Object.keys(item[part] ?? {})));
  for (const name of names)
    causes.push(...validateOrder(item, name, field), ...validateRatio(item, name, field));
  return causes;
}

function isOfPods({ type }: LimitRangeItem): boolean {
  return type === 'Pod' || type === 'Container';
}

function validateOrder(item: LimitRangeItem, name: string, field: string): StatusCause[] {
  const min = { word: 'min', value: ownValue(item.min, name) };
  const max = { word: 'max', value: ownValue(item.max, name) };
  const isPod = item.type === 'Pod';
  const standard = { word: 'default', value: isPod ? undefined : ownValue(item.default, name) };
  const limit = { ...standard, word: 'default limit' };
  const request = { word: 'default request', value: isPod ? undefined : ownValue(item.defaultRequest, name) };
  const causes: StatusCause[] = [];
  const check = (low: Bound, high: Bound, at: { part: keyof LimitRangeItem; value: string | undefined }) => {
    if (low.value === undefined || high.value === undefined) return;
    if (compareQuantities(parseQuantity(low.value), parseQuantity(high.value)) <= 0) return;
    const detail = `${low.word} value ${low.value} is greater than ${high.word} value ${high.value}`;
    causes.push(invalid(`${field}.${at.part}[${name}]`, at.value, detail));
  };
  // Which of the two values is shown is Kubernetes' choice.
  check(min, max, { part: 'min', value: min.value });
  check(min, request, { part: 'defaultRequest', value: request.value });
  check(request, max, { part: 'defaultRequest', value: request.value });
  check(request, limit, { part: 'defaultRequest', value: request.value });
  check(min, standard, { part: 'default', value: min.value });
  check(standard, max, { part: 'default', value: max.value });
  if (!isOvercommitted(name) && standard.value !== undefined && request.value !== undefined) {
    if (compareQuantities(parseQuantity(standard.value), parseQuantity(request.value)) !== 0) {
      const detail = `default value ${standard.value} must equal to defaultRequest value ${request.value} in ${name}`;
      causes.push(invalid(`${field}.defaultRequest[${name}]`, request.value, detail));
    }
  }
  return causes;
}

function validateRatio(item: LimitRangeItem, name: string, field: string): StatusCause[] {
  const ratio = ownValue(item.maxLimitRequestRatio, name);
  if (ratio === undefined) return [];
  const path = `${field}.maxLimitRequestRatio[${name}]`;
  const { nano } = parseQuantity(ratio);
  const causes = nano < nanoPerOne ? [invalid(path, ratio, `ratio ${ratio} is less than 1`)] : [];
  const min = ownValue(item.min, name);
  const max = ownValue(item.max, name);
  if (min === undefined || max === undefined) return causes;
  const widest = Number(parseQuantity(max).nano) / Number(parseQuantity(min).nano);
  if (Number(nano) / Number(nanoPerOne) <= widest) return causes;
  return [...causes, invalid(path, ratio, `ratio ${ratio} is greater than max/min = ${widest.toFixed(6)}`)];
}

interface Bound {
  word: string;
  value: string | undefined;
}

/** Names come from users: `constructor` is one that every object answers to. */
function ownValue<T>(of: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return of && Object.hasOwn(of, name) ? of[name] : undefined;
}
