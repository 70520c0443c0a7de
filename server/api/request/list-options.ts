import { forbidden, notSupported } from '../../../protocol/kinds/cause.ts';
import { type StatusCause, StatusError } from '../../../protocol/status.ts';
import { invalid } from '../../registry/failures.ts';
import type { ListRequest, Selection } from '../../registry/registry.ts';
import type { ResourceExchange } from '../exchange.ts';
import { isTrue } from './request-info.ts';

const listOptions = { group: 'meta.k8s.io', kind: 'ListOptions', plural: 'listoptions' };
const versionMatch = { field: 'resourceVersionMatch', values: ['Exact', 'NotOlderThan', ''] };

/** What a list asks for, from its path and query. Throws BadRequest or Invalid. */
export function readListOptions(exchange: ResourceExchange): ListRequest {
  const { query } = exchange;
  const limit = readCount(query, 'limit');
  const from = query.get('continue') ?? '';
  return {
    ...readSelection(exchange),
    ...(limit ? { limit } : {}),
    ...(from ? { continue: from } : {}),
    ...readVersion(query),
  };
}

function readVersion(query: URLSearchParams): Pick<ListRequest, 'resourceVersion' | 'resourceVersionMatch'> {
  const match = query.get('resourceVersionMatch') ?? '';
  refuse(match === '' ? [] : matchFaults(query, match));
  const version = readResourceVersion(query);
  if (version === undefined) return {};
  return match === 'Exact' || match === 'NotOlderThan'
    ? { resourceVersion: version, resourceVersionMatch: match }
    : { resourceVersion: version };
}

function matchFaults(query: URLSearchParams, match: string): StatusCause[] {
  const version = query.get('resourceVersion') ?? '';
  const { field } = versionMatch;
  return [
    ...(version === ''
      ? [forbidden(field, 'resourceVersionMatch is forbidden unless resourceVersion is provided')]
      : []),
    ...(query.get('continue')
      ? [forbidden(field, 'resourceVersionMatch is forbidden when continue is provided')]
      : []),
    ...(versionMatch.values.includes(match) ? [] : [notSupported(field, match, versionMatch.values)]),
    ...(match === 'Exact' && version === '0'
      ? [forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')]
      : []),
  ];
}

function refuse(causes: StatusCause[]): void {
  if (causes.length > 0) throw invalid(listOptions, '', causes);
}

export interface WatchOptions {
  selection: Selection;
  /** Absent: first everything there is, as ADDED. */
  resourceVersion?: string;
  /** The client marks where the initial events end by a bookmark; false: start with what comes next. */
  sendInitialEvents: boolean | undefined;
  bookmarks: boolean;
  timeoutSeconds: number | undefined;
}

/** What a watch asks for. Throws BadRequest or Invalid. */
export function readWatchOptions(exchange: ResourceExchange): WatchOptions {
  const { query } = exchange;
  const initial = query.get('sendInitialEvents');
  const match = query.get('resourceVersionMatch') ?? '';
  const { field } = versionMatch;
  if (initial === null && match !== '')
    refuse([
      forbidden(field, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'),
    ]);
  if (initial !== null && match !== 'NotOlderThan')
    refuse([forbidden(field, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan')]);
  const version = readResourceVersion(query);
  return {
    selection: readSelection(exchange),
    ...(version ? { resourceVersion: version } : {}),
    sendInitialEvents: initial === null ? undefined : isTrue(initial),
    bookmarks: isTrue(query.get('allowWatchBookmarks')),
    timeoutSeconds: readCount(query, 'timeoutSeconds'),
  };
}

/** Labels and fields as in the query; a watch of one named object is a watch with a field selector. */
export function readSelection({ query, info, kind }: ResourceExchange): Selection {
  const labelSelector = query.get('labelSelector') ?? '';
  const byName = info.name === undefined ? [] : [`metadata.name=${info.name}`];
  const fieldSelector = [query.get('fieldSelector') ?? '', ...byName].filter((part) => part !== '').join(',');
  return {
    ...(kind.namespaced && info.namespace !== undefined ? { namespace: info.namespace } : {}),
    ...(labelSelector ? { labelSelector } : {}),
    ...(fieldSelector ? { fieldSelector } : {}),
  };
}

/** Undefined for `0` too: "any version will do", and the newest is the one we have. */
function readResourceVersion(query: URLSearchParams): string | undefined {
  const version = query.get('resourceVersion') ?? '';
  if (version !== '' && !/^\d{1,16}$/.test(version))
    throw new StatusError(
      'BadRequest',
      `Invalid value: ${JSON.stringify(version)}: resourceVersion must be a number`,
    );
  return version === '' || /^0+$/.test(version) ? undefined : version;
}

/** A non-negative whole number; undefined when absent or empty. Throws BadRequest. */
export function readCount(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name) ?? '';
  if (text === '') return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw new StatusError(
      'BadRequest',
      `${name}: Invalid value: ${JSON.stringify(text)}: must be a whole number, 0 or more`,
    );
  return Number(text);
}
