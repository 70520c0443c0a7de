import { validatingWebhookConfigurationKind } from '../../../protocol/kinds/validating-webhook-configuration.ts';
import { defineAdmission } from '../define-admission.ts';
import { createExpressionRunner } from '../expressions.ts';
import { namespaceLookUp } from '../matching/namespace-of.ts';
import { askConcerned } from './concerned-hooks.ts';
import { followHooks } from './webhook-set.ts';

/** Asks all validating webhooks that are concerned, at the same time; the first of them that says no is told. */
export const validatingWebhooks = defineAdmission({
  name: 'ValidatingAdmissionWebhook',
  setup(context) {
    const hooks = followHooks(context, validatingWebhookConfigurationKind);
    const namespaceFor = namespaceLookUp(context);
    const run = createExpressionRunner(context);
    return {
      handles: (subject) => hooks.concern(subject),
      async validate(request) {
        const namespaceOf = namespaceFor(request);
        const asked = await Promise.allSettled(
          hooks
            .list()
            .map((hook) => askConcerned(hook, request, { ...context, run, namespaceOf, mutates: false })),
        );
        for (const answer of asked) {
          if (answer.status === 'rejected') throw answer.reason;
          if (answer.value?.verdict.denial) throw answer.value.verdict.denial;
        }
      },
    };
  },
});
