import type { Event, EventsEvent } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { invalid, invalidFor, required } from './cause.ts';
import { allVerbs, defineKind, type KubernetesObject } from './define-kind.ts';
import { eventKind } from './event.ts';
import { qualifiedName } from './name-rules.ts';

const textLengthMax = 128;
const noteLengthMax = 1024;

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

/** What older clients may leave out, newer ones may not (source: pkg/apis/core/validation/events.go). */
function validateNew(event: EventsEvent): StatusCause[] {
  const {
    eventTime,
    reportingController = '',
    reportingInstance,
    action,
    reason,
    type = '',
    note = '',
  } = event;
  const causes: StatusCause[] = [];
  if (!eventTime) causes.push(required('eventTime'));
  if (reportingController === '') causes.push(required('reportingController'));
  else {
    causes.push(
      ...invalidFor('reportingController', reportingController, qualifiedName(reportingController)),
    );
  }
  for (const [field, value = ''] of Object.entries({ reportingInstance, action, reason })) {
    if (value === '') causes.push(required(field));
    else if (value.length > textLengthMax) {
      causes.push(invalid(field, '', `can have at most ${textLengthMax} characters`));
    }
  }
  if (type !== 'Normal' && type !== 'Warning') causes.push(invalid('type', '', `has invalid value: ${type}`));
  for (const [field, value] of [
    ['firstTimestamp', event.deprecatedFirstTimestamp],
    ['lastTimestamp', event.deprecatedLastTimestamp],
    ['count', event.deprecatedCount || undefined],
    ['source', event.deprecatedSource?.component],
  ] as const) {
    if (value !== undefined && value !== '') causes.push(invalid(field, '', 'needs to be unset'));
  }
  if (note.length > noteLengthMax) {
    causes.push(invalid('message', '', `can have at most ${noteLengthMax} characters`));
  }
  return causes;
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
