import type {
  Container,
  LimitRange,
  LimitRangeItem,
  PersistentVolumeClaim,
  Pod,
} from '../../../protocol/generated/models.ts';
import { limitRangeKind } from '../../../protocol/kinds/limit-range.ts';
import { persistentVolumeClaimKind } from '../../../protocol/kinds/persistent-volume-claim.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { podTotals } from '../../../protocol/kinds/pod-spec/resources.ts';
import { compareQuantities, nanoPerOne, parseQuantity } from '../../../protocol/quantity.ts';
import { defineAdmission } from '../define-admission.ts';
import { inNamespace } from '../in-namespace.ts';
import { isOneOf } from '../is-one-of.ts';
import { refusal } from '../refusal.ts';

const annotation = 'kubernetes.io/limit-ranger';

/** Fills in what containers did not ask for, and holds pods and claims to the limits of their namespace. */
export const limitRanger = defineAdmission({
  name: 'LimitRanger',
  setup({ cache }) {
    const rangesOf = inNamespace(cache.informer(limitRangeKind));
    return {
      handles({ kind, operation, subresource, namespace }) {
        if (operation !== 'CREATE' && operation !== 'UPDATE') return false;
        const isPod = isOneOf(kind, podKind);
        if (!isPod && !isOneOf(kind, persistentVolumeClaimKind)) return false;
        // The resources of a pod that is there change only through `resize`.
        if (isPod && operation === 'UPDATE' ? subresource !== 'resize' : subresource !== '') return false;
        return rangesOf(namespace).length > 0;
      },
      admit({ kind, operation, namespace, object }) {
        if (!isOneOf(kind, podKind) || operation !== 'CREATE') return;
        for (const range of rangesOf(namespace)) setDefaults(object as Pod, range);
      },
      validate(request) {
        const { kind, namespace, object } = request;
        for (const range of rangesOf(namespace)) {
          const faults = (range.spec?.limits ?? []).flatMap((limit) =>
            isOneOf(kind, podKind)
              ? podFaults(object as Pod, limit)
              : claimFaults(object as PersistentVolumeClaim, limit),
          );
          const [first, ...more] = new Set(faults);
          if (first !== undefined)
            throw refusal(request, more.length > 0 ? `[${[first, ...more].join(', ')}]` : first);
        }
      },
    };
  },
});

type Amounts = Readonly<Record<string, string>>;

function setDefaults(pod: Pod, { spec }: Readonly<LimitRange>): void {
  const limits: Record<string, string> = {};
  const requests: Record<string, string> = {};
  for (const item of spec?.limits ?? []) {
    if (item.type !== 'Container') continue;
    Object.assign(limits, item.default);
    Object.assign(requests, item.defaultRequest);
  }
  const words = [
    ...(pod.spec?.containers ?? []).flatMap((container) => fill(container, { limits, requests }, '')),
    ...(pod.spec?.initContainers ?? []).flatMap((container) =>
      fill(container, { limits, requests }, 'init '),
    ),
  ];
  if (words.length === 0) return;
  const metadata = (pod.metadata ??= {});
  metadata.annotations = {
    ...metadata.annotations,
    [annotation]: `LimitRanger plugin set: ${words.join('; ')}`,
  };
}

/** Says what it set. */
function fill(
  container: Container,
  defaults: { limits: Amounts; requests: Amounts },
  word: string,
): string[] {
  const said: string[] = [];
  for (const part of ['requests', 'limits'] as const) {
    const own = container.resources?.[part] ?? {};
    const missing = Object.keys(defaults[part]).filter((name) => !Object.hasOwn(own, name));
    if (missing.length === 0) continue;
    const added = Object.fromEntries(missing.map((name) => [name, defaults[part][name] ?? '0']));
    container.resources = { ...container.resources, [part]: { ...own, ...added } };
    said.push(`${missing.sort().join(', ')} ${part.slice(0, -1)} for ${word}container ${container.name}`);
  }
  return said;
}

function podFaults({ spec }: Pod, limit: LimitRangeItem): string[] {
  if (!spec) return [];
  if (limit.type === 'Pod') return faultsOf(limit, podTotals(spec, 'requests'), podTotals(spec, 'limits'));
  if (limit.type !== 'Container') return [];
  return [...spec.containers, ...(spec.initContainers ?? [])].flatMap(({ resources }) =>
    faultsOf(limit, resources?.requests ?? {}, resources?.limits ?? {}),
  );
}

function faultsOf(limit: LimitRangeItem, requests: Amounts, limits: Amounts): string[] {
  return [
    ...eachOf(limit.min, (name, least) =>
      belowMin({ type: limit.type, name, bound: least }, requests, limits),
    ),
    ...eachOf(limit.max, (name, most) => aboveMax({ type: limit.type, name, bound: most }, requests, limits)),
    ...eachOf(limit.maxLimitRequestRatio, (name, ratio) =>
      aboveRatio({ type: limit.type, name, bound: ratio }, requests, limits),
    ),
  ];
}

/** A claim has no limits: its request is what is held to both bounds. */
function claimFaults({ spec }: PersistentVolumeClaim, limit: LimitRangeItem): string[] {
  if (limit.type !== 'PersistentVolumeClaim') return [];
  const requests = spec?.resources?.requests ?? {};
  const { type } = limit;
  return [
    ...eachOf(limit.min, (name, bound) => belowMin({ type, name, bound }, requests, {})),
    ...eachOf(limit.max, (name, bound) => {
      const words = `maximum ${name} usage per ${type} is ${bound}`;
      const request = own(requests, name);
      if (request === undefined) return `${words}.  No request is specified`;
      return isMore(request, bound) ? `${words}, but request is ${request}` : undefined;
    }),
  ];
}

interface Bound {
  type: string;
  name: string;
  bound: string;
}

function belowMin({ type, name, bound }: Bound, requests: Amounts, limits: Amounts): string | undefined {
  const words = `minimum ${name} usage per ${type} is ${bound}`;
  const request = own(requests, name);
  const limit = own(limits, name);
  if (request === undefined) return `${words}.  No request is specified`;
  if (isMore(bound, request)) return `${words}, but request is ${request}`;
  return limit !== undefined && isMore(bound, limit) ? `${words}, but limit is ${limit}` : undefined;
}

function aboveMax({ type, name, bound }: Bound, requests: Amounts, limits: Amounts): string | undefined {
  const words = `maximum ${name} usage per ${type} is ${bound}`;
  const request = own(requests, name);
  const limit = own(limits, name);
  if (limit === undefined) return `${words}.  No limit is specified`;
  if (isMore(limit, bound)) return `${words}, but limit is ${limit}`;
  return request !== undefined && isMore(request, bound) ? `${words}, but request is ${request}` : undefined;
}

function aboveRatio({ type, name, bound }: Bound, requests: Amounts, limits: Amounts): string | undefined {
  const words = `${name} max limit to request ratio per ${type} is ${bound}`;
  const request = parseQuantity(own(requests, name) ?? '0').nano;
  const limit = parseQuantity(own(limits, name) ?? '0').nano;
  if (request === 0n) return `${words}, but no request is specified or request is 0`;
  if (limit === 0n) return `${words}, but no limit is specified or limit is 0`;
  if (limit * nanoPerOne <= parseQuantity(bound).nano * request) return undefined;
  return `${words}, but provided ratio is ${(Number(limit) / Number(request)).toFixed(6)}`;
}

function eachOf(
  bounds: Amounts | undefined,
  fault: (name: string, bound: string) => string | undefined,
): string[] {
  return Object.entries(bounds ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, bound]) => fault(name, bound) ?? []);
}

function own(amounts: Amounts, name: string): string | undefined {
  return Object.hasOwn(amounts, name) ? amounts[name] : undefined;
}

function isMore(a: string, b: string): boolean {
  return compareQuantities(parseQuantity(a), parseQuantity(b)) > 0;
}
