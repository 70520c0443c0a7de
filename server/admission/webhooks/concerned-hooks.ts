import { ExpressionError } from '../../../protocol/cel/admission-expression.ts';
import { StatusError } from '../../../protocol/status.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import type { AdmissionContext } from '../define-admission.ts';
import type { RunExpressions } from '../expressions.ts';
import type { NamespaceOf } from '../matching/criteria.ts';
import { refusal } from '../refusal.ts';
import { requestVariables, type SeenRequest, seenAs } from '../seen-request.ts';
import { type AskContext, askWebhook, type Verdict, WebhookFailure } from './ask-webhook.ts';
import type { Hook } from './webhook-set.ts';

export interface HookContext extends AskContext, Pick<AdmissionContext, 'log'> {
  run: RunExpressions;
}

/**
 * Asks a webhook about a request that its rules, selectors and conditions are about; undefined where they are not, and
 * where its failure shall not matter. Throws a StatusError for a failure that does.
 */
export async function askConcerned(
  hook: Hook,
  request: AdmissionRequest,
  context: HookContext & { namespaceOf: NamespaceOf; mutates: boolean },
): Promise<{ verdict: Verdict; seen: SeenRequest } | undefined> {
  const kind = await hook.criteria.match(request, context.namespaceOf);
  if (!kind) return undefined;
  const seen = await seenAs(request, kind);
  if (hook.conditions && !(await conditionsHold(hook, { request, seen }, context))) return undefined;
  try {
    const verdict = await askWebhook(hook, seen, context);
    for (const warning of verdict.warnings) request.warn(warning);
    for (const [key, value] of verdict.annotations) request.annotate(`${hook.webhook.name}/${key}`, value);
    return { verdict, seen };
  } catch (error) {
    if (!(error instanceof WebhookFailure)) throw error;
    const { name, failurePolicy } = hook.webhook;
    if (failurePolicy !== 'Ignore') throw internal(error);
    context.log.warn('admission webhook failed and is ignored', { webhook: name, error });
    const way = context.mutates ? 'mutating' : 'validating';
    request.annotate(`failed-open.${way}.webhook.admission.k8s.io/${hook.place}`, name);
    return undefined;
  }
}

async function conditionsHold(
  { conditions, webhook }: Hook,
  { request, seen }: { request: AdmissionRequest; seen: SeenRequest },
  { run }: Pick<HookContext, 'run'>,
): Promise<boolean> {
  try {
    return await run(request, (authorizer) => {
      const variables = requestVariables(seen);
      variables.authorizer = authorizer;
      return conditions?.hold(variables) ?? true;
    });
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    if (webhook.failurePolicy === 'Ignore') return false;
    throw refusal(request, error.message);
  }
}

export function internal(error: Error): StatusError {
  const message = `Internal error occurred: ${error.message}`;
  return new StatusError('InternalError', message, { cause: error });
}
