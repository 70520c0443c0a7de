import type { PodTemplate } from '../generated/models.ts';
import { required } from './cause.ts';
import { containerColumns, labelsText, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { defaultPodSpec } from './pod-spec/defaults.ts';
import { validatePodTemplate } from './pod-spec/validate-pod-spec.ts';

export const podTemplateKind = defineKind<PodTemplate>({
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  singular: 'podtemplate',
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.PodTemplate',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    ...containerColumns<PodTemplate>(({ template }) => template?.spec).map((column) => ({
      ...column,
      priority: 0,
    })),
    textColumn('Pod Labels', 'Labels of pods made from it.', ({ template }) =>
      labelsText(template?.metadata?.labels),
    ),
  ],
  selectableFields: {},
  generationOf: ({ template }) => template,

  applyDefaults({ template }) {
    if (template?.spec) defaultPodSpec(template.spec);
  },
  validate: (object) => [
    ...validateObjectMeta(object, dnsSubdomain),
    ...(object.template ? validatePodTemplate(object.template, 'template') : [required('template')]),
  ],
});
