import type { LimitRange, LimitRangeItem } from '../generated/models.ts';
import { compareQuantities, parseQuantity } from '../quantity.ts';
import type { StatusCause } from '../status.ts';
import { duplicate, forbidden, invalid, invalidFor, required } from './cause.ts';
import { createdColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain, qualifiedName } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

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
  const names = new Set(parts.flatMap((part) => Object.keys(item[part] ?? {})));
  for (const name of names) {
    causes.push(
      ...invalidFor(
        `${field}.${parts.find((part) => item[part]?.[name]) ?? ''}[${name}]`,
        name,
        qualifiedName(name),
      ),
      ...validateOrder(item, name, field),
    );
  }
  return causes;
}

function validateOrder(item: LimitRangeItem, name: string, field: string): StatusCause[] {
  const min = ownValue(item.min, name);
  const max = ownValue(item.max, name);
  const standard = ownValue(item.default, name);
  const request = ownValue(item.defaultRequest, name);
  const ratio = ownValue(item.maxLimitRequestRatio, name);
  const causes: StatusCause[] = [];
  const check = (low: Bound, high: Bound, at: 'min' | 'default' | 'defaultRequest') => {
    if (low.value === undefined || high.value === undefined) return;
    if (compareQuantities(parseQuantity(low.value), parseQuantity(high.value)) <= 0) return;
    const detail = `${low.word} value ${low.value} is greater than ${high.word} value ${high.value}`;
    causes.push(invalid(`${field}.${at}[${name}]`, item[at]?.[name], detail));
  };
  check({ word: 'min', value: min }, { word: 'max', value: max }, 'min');
  check({ word: 'min', value: min }, { word: 'default request', value: request }, 'defaultRequest');
  check({ word: 'default request', value: request }, { word: 'max', value: max }, 'defaultRequest');
  check({ word: 'default request', value: request }, { word: 'default', value: standard }, 'defaultRequest');
  check({ word: 'min', value: min }, { word: 'default', value: standard }, 'default');
  check({ word: 'default', value: standard }, { word: 'max', value: max }, 'default');
  if (ratio !== undefined && parseQuantity(ratio).nano < 1_000_000_000n) {
    causes.push(invalid(`${field}.maxLimitRequestRatio[${name}]`, ratio, `ratio ${ratio} is less than 1`));
  }
  return causes;
}

interface Bound {
  word: string;
  value: string | undefined;
}

/** Names come from users: `constructor` is one that every object answers to. */
function ownValue<T>(of: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return of && Object.hasOwn(of, name) ? of[name] : undefined;
}
