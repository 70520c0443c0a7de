import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { Operation } from '../../registry/admission.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { addWarning } from '../response/answer.ts';

/** Asks admission about what is posted to a subresource and not stored: an eviction, the order of a token. */
export async function admitPosted(
  exchange: ResourceExchange,
  object: KubernetesObject,
  { dryRun }: { dryRun: boolean },
): Promise<void> {
  await admit(exchange, { operation: 'CREATE', object, dryRun, optionsKind: 'CreateOptions' });
}

/** Asks admission about a session; `options` are those of the session. */
export async function admitConnection(exchange: ResourceExchange, options: KubernetesObject): Promise<void> {
  await admit(exchange, { operation: 'CONNECT', object: options, dryRun: false });
}

async function admit(
  exchange: ResourceExchange,
  asked: { operation: Operation; object: KubernetesObject; dryRun: boolean; optionsKind?: string },
): Promise<void> {
  const { kind, user, info, services } = exchange;
  const { operation, object, dryRun, optionsKind } = asked;
  const { name, namespace } = objectName(exchange);
  const subject = { kind, operation, subresource: info.subresource ?? '', namespace, user };
  const review = services.admission.reviewOf(subject);
  if (!review) return;
  const request = {
    ...subject,
    requestKind: kind,
    name,
    object,
    oldObject: undefined,
    dryRun,
    options: optionsKind === undefined ? {} : { kind: optionsKind, apiVersion: 'meta.k8s.io/v1' },
    warn: (text: string) => addWarning(exchange, text),
    annotate: (key: string, value: string) => exchange.audit?.annotate(key, value),
  };
  await review.admit(request);
  await review.validate(request);
}
