import type { Pod } from '../../../protocol/generated/models.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { type AdmissionPlugin, defineAdmission } from '../define-admission.ts';
import { isOneOf } from '../is-one-of.ts';

const taints = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

/**
 * A pod on a silent device is presumed running (docs/decisions/0161-pods-tolerate-silence.md), so it stays bound without
 * a time limit where Kubernetes gives five minutes. A toleration of one's own for these taints says otherwise.
 */
export const toleratingSilence: AdmissionPlugin = {
  handles: ({ kind, operation, subresource }) =>
    subresource === '' && isOneOf(kind, podKind) && (operation === 'CREATE' || operation === 'UPDATE'),
  admit({ object }) {
    const { spec } = object as Pod;
    if (!spec) return;
    const tolerations = spec.tolerations ?? [];
    const missing = taints.filter(
      (taint) =>
        !tolerations.some(
          ({ key, effect }) => (!key || key === taint) && (!effect || effect === 'NoExecute'),
        ),
    );
    if (missing.length === 0) return;
    const added = missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute' }));
    spec.tolerations = [...tolerations, ...added];
  },
};

export const defaultTolerationSeconds = defineAdmission({
  name: 'DefaultTolerationSeconds',
  setup: () => toleratingSilence,
});
