import type { MutatingWebhookConfiguration } from '../generated/models.ts';
import { defaultWebhook, validateWebhooks } from './admission/webhooks.ts';
import { optionalOneOf } from './cause.ts';
import { ageColumn, nameColumn, numberColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

export const mutatingWebhookConfigurationKind = defineKind<MutatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  singular: 'mutatingwebhookconfiguration',
  shortNames: [],
  categories: ['api-extensions'],
  namespaced: false,
  schema: 'io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    numberColumn('Webhooks', 'How many webhooks it lists.', ({ webhooks }) => webhooks?.length ?? 0),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: ({ webhooks }) => webhooks,

  applyDefaults({ webhooks }) {
    for (const webhook of webhooks ?? []) {
      defaultWebhook(webhook);
      webhook.reinvocationPolicy ??= 'Never';
    }
  },
  validate: (object) => [
    ...validateObjectMeta(object, dnsSubdomain),
    ...validateWebhooks(object.webhooks ?? []),
    ...(object.webhooks ?? []).flatMap(({ reinvocationPolicy: policy }, index) =>
      optionalOneOf(`webhooks[${index}].reinvocationPolicy`, policy, ['IfNeeded', 'Never']),
    ),
  ],
});
