import { once } from '../../../lib/once.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { mutatingWebhookConfigurationKind } from '../../../protocol/kinds/mutating-webhook-configuration.ts';
import { applyJsonPatch } from '../../../protocol/patch/json-patch.ts';
import { createObjectDecoder, type ObjectDecoder } from '../../../protocol/schema/decode-object.ts';
import { schemas } from '../../../protocol/schema/schemas.ts';
import { StatusError } from '../../../protocol/status.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import { defineAdmission } from '../define-admission.ts';
import { createExpressionRunner } from '../expressions.ts';
import { namespaceLookUp } from '../matching/namespace-of.ts';
import { type SeenRequest, takeSeen } from '../seen-request.ts';
import { askConcerned, internal } from './concerned-hooks.ts';
import { followHooks, type Hook } from './webhook-set.ts';

/**
 * Lets the mutating webhooks that are concerned change the object, one after the other. In the second pass those are
 * asked again that want to be, when the object is not any more as they left it.
 */
export const mutatingWebhooks = defineAdmission({
  name: 'MutatingAdmissionWebhook',
  setup(context) {
    const hooks = followHooks(context, mutatingWebhookConfigurationKind);
    const namespaceFor = namespaceLookUp(context);
    const run = createExpressionRunner(context);
    const decoder = once(() => createObjectDecoder(schemas));
    /** How each webhook left the object. */
    const left = new WeakMap<AdmissionRequest, Map<string, KubernetesObject | undefined>>();

    function isDue(hook: Hook, request: AdmissionRequest, isSecond: boolean): boolean {
      const before = left.get(request);
      if (!isSecond || !before) return true;
      if (hook.webhook.reinvocationPolicy !== 'IfNeeded' || !before.has(hook.id)) return false;
      return !sameValue(before.get(hook.id), request.object);
    }

    async function askOne(hook: Hook, request: AdmissionRequest): Promise<boolean> {
      const namespaceOf = namespaceFor(request);
      const asked = await askConcerned(hook, request, { ...context, run, namespaceOf, mutates: true });
      if (!asked) return false;
      const { verdict, seen } = asked;
      if (verdict.denial) throw verdict.denial;
      const changed =
        verdict.patch !== undefined && (await patchObject(request, seen, { patch: verdict.patch, decoder }));
      const known = left.get(request) ?? new Map<string, KubernetesObject | undefined>();
      left.set(request, known.set(hook.id, structuredClone(request.object)));
      return changed;
    }

    return {
      handles: (subject) => hooks.concern(subject),
      async admit(request, pass) {
        let isChanged = false;
        for (const hook of hooks.list())
          if (isDue(hook, request, pass.isSecond)) isChanged = (await askOne(hook, request)) || isChanged;
        if (isChanged) pass.askForSecond();
      },
    };
  },
});

/** Puts the patched object in the request's place; true: it is another than before. */
async function patchObject(
  request: AdmissionRequest,
  { kind, object }: SeenRequest,
  { patch, decoder }: { patch: unknown; decoder: () => ObjectDecoder },
): Promise<boolean> {
  const before = request.object;
  if (!before) return false;
  try {
    const patched = applyJsonPatch(JSON.parse(JSON.stringify(object)), patch) as KubernetesObject;
    const isOwn = patched.kind === kind.kind || request.subresource === 'scale';
    if (isOwn) await takeSeen(request, { kind, decoder: decoder() }, patched);
    else request.object = patched;
  } catch (error) {
    if (error instanceof StatusError) throw internal(error);
    throw error;
  }
  return !sameValue(before, request.object);
}
