import type { Event, EventsEvent } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { invalid, required } from './cause.ts';
import { allVerbs, defineKind, type KubernetesObject } from './define-kind.ts';
import { eventKind } from './event.ts';

/** The same events under their own group, with other names for some fields (source: pkg/apis/events/v1, conversion). */
export const eventV1Kind = defineKind<EventsEvent>({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  singular: 'event',
  shortNames: ['ev'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.events.v1.Event',
  verbs: allVerbs,
  subresources: [],
  columns: eventKind.columns.map((column) => ({
    ...column,
    value: (object, now) => column.value(toStored(object), now),
  })),
  selectableFields: {
    'regarding.kind': ({ regarding }) => regarding?.kind ?? '',
    'regarding.namespace': ({ regarding }) => regarding?.namespace ?? '',
    'regarding.name': ({ regarding }) => regarding?.name ?? '',
    'regarding.uid': ({ regarding }) => regarding?.uid ?? '',
    'regarding.apiVersion': ({ regarding }) => regarding?.apiVersion ?? '',
    'regarding.resourceVersion': ({ regarding }) => regarding?.resourceVersion ?? '',
    'regarding.fieldPath': ({ regarding }) => regarding?.fieldPath ?? '',
    reason: ({ reason }) => reason ?? '',
    reportingController: ({ reportingController }) => reportingController ?? '',
    type: ({ type }) => type ?? '',
  },
  generationOf: false,
  validate: validateNew,
  view: { of: eventKind, fromStored, toStored },
});

/** What is asked beyond the rules for all events (source: pkg/apis/core/validation/events.go). */
function validateNew(event: EventsEvent): StatusCause[] {
  const { eventTime, type = '', series } = event;
  const causes = series ? validateSeries(series) : [];
  if (!eventTime) causes.push(required('eventTime'));
  if (type !== 'Normal' && type !== 'Warning') causes.push(invalid('type', '', `has invalid value: ${type}`));
  for (const [field, value] of [
    ['firstTimestamp', event.deprecatedFirstTimestamp],
    ['lastTimestamp', event.deprecatedLastTimestamp],
    ['count', event.deprecatedCount || undefined],
    ['source', event.deprecatedSource?.component || event.deprecatedSource?.host],
  ] as const) {
    if (value !== undefined && value !== '') causes.push(invalid(field, '', 'needs to be unset'));
  }
  return causes;
}

function validateSeries({ count, lastObservedTime }: NonNullable<EventsEvent['series']>): StatusCause[] {
  const causes = (count ?? 0) < 2 ? [invalid('series.count', '', 'should be at least 2')] : [];
  return lastObservedTime ? causes : [...causes, required('series.lastObservedTime')];
}

function fromStored(object: KubernetesObject): EventsEvent {
  const {
    involvedObject,
    message,
    source,
    firstTimestamp,
    lastTimestamp,
    count,
    reportingComponent,
    ...same
  } = object as Event;
  return defined({
    ...same,
    regarding: involvedObject,
    note: message,
    deprecatedSource: source,
    deprecatedFirstTimestamp: firstTimestamp,
    deprecatedLastTimestamp: lastTimestamp,
    deprecatedCount: count,
    reportingController: reportingComponent,
  }) as EventsEvent;
}

function toStored(event: EventsEvent): Event {
  const {
    regarding,
    note,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    reportingController,
    ...same
  } = event;
  return defined({
    ...same,
    involvedObject: regarding ?? {},
    message: note,
    source: deprecatedSource,
    firstTimestamp: deprecatedFirstTimestamp,
    lastTimestamp: deprecatedLastTimestamp,
    count: deprecatedCount,
    reportingComponent: reportingController,
  }) as Event;
}

function defined(object: object): KubernetesObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
