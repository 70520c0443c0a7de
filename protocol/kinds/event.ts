import type { Event } from '../generated/models.ts';
import { ageSince } from '../human-duration.ts';
import type { StatusCause } from '../status.ts';
import { invalid, invalidFor, required } from './cause.ts';
import { nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain, qualifiedName } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

export const eventKind = defineKind<Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  singular: 'event',
  shortNames: ['ev'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Event',
  verbs: allVerbs,
  subresources: [],
  columns: [
    {
      name: 'Last Seen',
      type: 'string',
      description: 'Time since it happened last.',
      value: (event, now) => ageSince(lastSeen(event), now),
    },
    {
      name: 'Type',
      type: 'string',
      description: 'Normal or Warning.',
      value: ({ type }) => type ?? '',
    },
    {
      name: 'Reason',
      type: 'string',
      description: 'Why it happened, in one word for machines.',
      value: ({ reason }) => reason ?? '',
    },
    {
      name: 'Object',
      type: 'string',
      description: 'The object it is about.',
      value: ({ involvedObject }) => {
        const kind = involvedObject?.kind?.toLowerCase() ?? '';
        return involvedObject?.name ? `${kind}/${involvedObject.name}` : kind;
      },
    },
    {
      name: 'Subobject',
      type: 'string',
      priority: 1,
      description: 'The part of the object, such as one container.',
      value: ({ involvedObject }) => involvedObject?.fieldPath ?? '',
    },
    {
      name: 'Source',
      type: 'string',
      priority: 1,
      description: 'Who reported it.',
      value: sourceText,
    },
    {
      name: 'Message',
      type: 'string',
      description: 'What happened, for people.',
      value: ({ message }) => message?.trim() ?? '',
    },
    {
      name: 'First Seen',
      type: 'string',
      priority: 1,
      description: 'Time since it happened first.',
      value: (event, now) => ageSince(firstSeen(event), now),
    },
    {
      name: 'Count',
      type: 'string',
      priority: 1,
      description: 'How often it happened.',
      value: ({ series, count }) => series?.count ?? (count || 1),
    },
    { ...nameColumn, priority: 1 },
  ],
  selectableFields: {
    'involvedObject.kind': ({ involvedObject }) => involvedObject?.kind ?? '',
    'involvedObject.namespace': ({ involvedObject }) => involvedObject?.namespace ?? '',
    'involvedObject.name': ({ involvedObject }) => involvedObject?.name ?? '',
    'involvedObject.uid': ({ involvedObject }) => involvedObject?.uid ?? '',
    'involvedObject.apiVersion': ({ involvedObject }) => involvedObject?.apiVersion ?? '',
    'involvedObject.resourceVersion': ({ involvedObject }) => involvedObject?.resourceVersion ?? '',
    'involvedObject.fieldPath': ({ involvedObject }) => involvedObject?.fieldPath ?? '',
    reason: ({ reason }) => reason ?? '',
    reportingComponent: ({ reportingComponent }) => reportingComponent ?? '',
    source: ({ source, reportingComponent }) => source?.component || (reportingComponent ?? ''),
    type: ({ type }) => type ?? '',
  },
  generationOf: false,

  validate: (event) => [
    ...validateObjectMeta(event, dnsSubdomain),
    ...(event.eventTime ? validateNewForm(event) : validatePlace(event, ['default'])),
  ],
});

/** Events about cluster-scoped objects live in the default namespace, others where what they are about is. */
function validatePlace({ metadata, involvedObject }: Event, ofCluster: readonly string[]): StatusCause[] {
  const about = involvedObject?.namespace ?? '';
  const { namespace = '' } = metadata;
  const fits = about === '' ? ofCluster.includes(namespace) : about === namespace;
  return fits ? [] : [invalid('involvedObject.namespace', about, 'does not match event.namespace')];
}

const textLengthMax = 128;
const messageLengthMax = 1024;

/** What is asked of an event that says when it happened (source: pkg/apis/core/validation/events.go). */
function validateNewForm(event: Event): StatusCause[] {
  const { reportingComponent: controller = '', reportingInstance, action, reason, message = '' } = event;
  const hasPlace = (event.involvedObject?.namespace ?? '') !== '';
  const causes = hasPlace ? [] : validatePlace(event, ['default', 'kube-system']);
  if (controller === '') causes.push(required('reportingController'));
  causes.push(...invalidFor('reportingController', controller, qualifiedName(controller)));
  for (const [field, value = ''] of Object.entries({ reportingInstance, action, reason })) {
    if (value === '') causes.push(required(field));
    else if (value.length > textLengthMax)
      causes.push(invalid(field, '', `can have at most ${textLengthMax} characters`));
  }
  if (message.length > messageLengthMax)
    causes.push(invalid('message', '', `can have at most ${messageLengthMax} characters`));
  return causes;
}

function firstSeen({ firstTimestamp, eventTime }: Event): string | undefined {
  return firstTimestamp ?? eventTime;
}

function lastSeen(event: Event): string | undefined {
  return event.series?.lastObservedTime ?? event.lastTimestamp ?? firstSeen(event);
}

function sourceText({ source, reportingComponent, reportingInstance }: Event): string {
  const component = source?.component || (reportingComponent ?? '');
  const host = source?.host || (reportingInstance ?? '');
  return host === '' ? component : `${component}, ${host}`;
}
