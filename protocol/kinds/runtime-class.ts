import type { RuntimeClass } from '../generated/models.ts';
import { immutable, invalidFor, required } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsLabel, dnsSubdomain } from './name-rules.ts';
import { validateLabels, validateObjectMeta } from './object-meta.ts';
import { validateTolerations } from './pod-spec/validate-pod-spec.ts';
import { validateResources } from './pod-spec/validate-resources.ts';

export const runtimeClassKind = defineKind<RuntimeClass>({
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  singular: 'runtimeclass',
  shortNames: [],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.node.v1.RuntimeClass',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    textColumn('Handler', 'What runs the containers of its pods.', ({ handler }) => handler ?? ''),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,

  validate: (object) => {
    const { handler, overhead, scheduling } = object;
    return [
      ...validateObjectMeta(object, dnsSubdomain),
      ...(handler ? invalidFor('handler', handler, dnsLabel(handler)) : [required('handler')]),
      ...validateResources(overhead ? { limits: overhead.podFixed ?? {} } : undefined, 'overhead'),
      ...validateLabels(scheduling?.nodeSelector, 'scheduling.nodeSelector'),
      ...validateTolerations(scheduling?.tolerations ?? [], 'scheduling.tolerations'),
    ];
  },
  validateUpdate: (next, old) => immutable('handler', next.handler, old.handler),
});
