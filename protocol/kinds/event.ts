import type { Event } from '../generated/models.ts';
import { ageSince } from '../human-duration.ts';
import { invalid } from './cause.ts';
import { nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
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

  validate(event) {
    const causes = validateObjectMeta(event, dnsSubdomain);
    const about = event.involvedObject?.namespace ?? '';
    // Events about cluster-scoped objects live in the default namespace.
    if (about === '' ? event.metadata.namespace !== 'default' : about !== event.metadata.namespace) {
      causes.push(invalid('involvedObject.namespace', about, 'does not match event.namespace'));
    }
    return causes;
  },
});

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
