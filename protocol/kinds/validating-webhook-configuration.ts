import type { ValidatingWebhookConfiguration } from '../generated/models.ts';
import { defaultWebhook, validateWebhooks } from './admission/webhooks.ts';
import { ageColumn, nameColumn, numberColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

export const validatingWebhookConfigurationKind = defineKind<ValidatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  singular: 'validatingwebhookconfiguration',
  shortNames: [],
  categories: ['api-extensions'],
  namespaced: false,
  schema: 'io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration',
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
    webhooks?.forEach(defaultWebhook);
  },
  validate: (object) => [
    ...validateObjectMeta(object, dnsSubdomain),
    ...validateWebhooks(object.webhooks ?? []),
  ],
});
