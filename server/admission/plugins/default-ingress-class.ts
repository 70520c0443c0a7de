import type { Ingress } from '../../../protocol/generated/models.ts';
import { ingressKind } from '../../../protocol/kinds/ingress.ts';
import { ingressClassKind } from '../../../protocol/kinds/ingress-class.ts';
import { newestMarked } from '../default-of.ts';
import { defineAdmission } from '../define-admission.ts';
import { isOneOf } from '../is-one-of.ts';

const marks = ['ingressclass.kubernetes.io/is-default-class'];
const classAnnotation = 'kubernetes.io/ingress.class';

/** An ingress that says nothing of a class gets the default one. */
export const defaultIngressClass = defineAdmission({
  name: 'DefaultIngressClass',
  setup({ cache }) {
    const classes = cache.informer(ingressClassKind);
    return {
      handles: ({ kind, operation, subresource }) =>
        subresource === '' && operation === 'CREATE' && isOneOf(kind, ingressKind),
      admit({ object }) {
        const ingress = object as Ingress;
        if (ingress.metadata?.annotations?.[classAnnotation] !== undefined) return;
        if (!ingress.spec || (ingress.spec.ingressClassName ?? null) !== null) return;
        const name = newestMarked(classes, marks)?.metadata?.name;
        if (name !== undefined) ingress.spec.ingressClassName = name;
      },
    };
  },
});
