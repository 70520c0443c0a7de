import type {
  Pod,
  ResourceClaimTemplate,
  ResourceResourceClaim,
} from '../../../protocol/generated/models.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { podClaimNameAnnotation } from '../../../protocol/kinds/pod-claims.ts';
import { resourceClaimKind } from '../../../protocol/kinds/resource-claim.ts';
import { resourceClaimTemplateKind } from '../../../protocol/kinds/resource-claim-template.ts';
import {
  controllerOf,
  controllerReference,
  objectKey,
  splitKey,
  storedMeta,
} from '../../../protocol/kinds/stored-object.ts';
import type { Informer } from '../../cache/informer.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone, isNamespaceEnding } from '../expected-failures.ts';
import { addOnce, byControllerUid } from '../indexes.ts';

/**
 * Makes the claims that pods ask for by a template, and notes their names in the pods. A claim that was made and not
 * noted yet is found again by its owner and its annotation, so that a crash between the two makes no second one.
 */
export const templateClaimController = defineController({
  name: 'resource-claim-templates',
  workers: 2,
  setup(context, enqueue) {
    const { cache, follow } = context;
    const parts: Parts = {
      ...context,
      pods: cache.informer(podKind),
      claims: cache.informer(resourceClaimKind),
      templates: cache.informer(resourceClaimTemplateKind),
    };
    addOnce(parts.claims, byControllerUid);
    parts.pods.addIndex(byTemplate, templatesOf);
    follow(parts.pods, ({ type, object }) => {
      if (type !== 'deleted' && unmade(object).length > 0) enqueue(objectKey(object));
    });
    follow(parts.templates, ({ type, object }) => {
      if (type === 'deleted') return;
      for (const pod of parts.pods.byIndex(byTemplate, objectKey(object))) enqueue(objectKey(pod));
    });
    return (key) => reconcile(parts, key).catch(ignoreGone);
  },
});

interface Parts extends ControllerContext {
  pods: Informer<Pod>;
  claims: Informer<ResourceResourceClaim>;
  templates: Informer<ResourceClaimTemplate>;
}

const byTemplate = 'resourceClaimTemplate';

function templatesOf(pod: Readonly<Pod>): string[] {
  return unmade(pod).map((template) => `${pod.metadata?.namespace ?? ''}/${template.template}`);
}

/** What the pod asks for by a template and does not name yet; nothing for a pod that goes or has ended. */
function unmade({ metadata, spec, status }: Readonly<Pod>): { name: string; template: string }[] {
  const ended = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  if (ended || metadata?.deletionTimestamp !== undefined) return [];
  const made = new Set(status?.resourceClaimStatuses?.map(({ name }) => name));
  return (spec?.resourceClaims ?? []).flatMap(({ name, resourceClaimTemplateName }) =>
    resourceClaimTemplateName === undefined || made.has(name)
      ? []
      : [{ name, template: resourceClaimTemplateName }],
  );
}

async function reconcile(parts: Parts, key: string): Promise<void> {
  const { namespace = '', name } = splitKey(key);
  const pod = parts.pods.get(namespace, name);
  if (!pod) return;
  const made: { name: string; resourceClaimName: string }[] = [];
  for (const wanted of unmade(pod)) {
    const claim = await makeClaim(parts, pod, wanted);
    if (claim) made.push({ name: wanted.name, resourceClaimName: storedMeta(claim).name });
  }
  if (made.length === 0) return;
  const change = (draft: Pod) => {
    if (draft.metadata?.uid !== pod.metadata?.uid) return;
    const known = draft.status?.resourceClaimStatuses ?? [];
    const fresh = made.filter((one) => !known.some((other) => other.name === one.name));
    draft.status = { ...draft.status, resourceClaimStatuses: [...known, ...fresh] };
  };
  await parts.registry.mutate<Pod>(podKind, { namespace, name }, change, { subresource: 'status' });
}

async function makeClaim(
  { registry, claims, templates, events }: Parts,
  pod: Readonly<Pod>,
  { name, template: templateName }: { name: string; template: string },
): Promise<Readonly<ResourceResourceClaim> | undefined> {
  const { namespace = '', name: podName, uid } = storedMeta(pod);
  // The cache may be behind a claim made a moment ago; what is listed is what there is.
  const isOurs = (claim: Readonly<ResourceResourceClaim>) =>
    controllerOf(claim)?.uid === uid && claim.metadata?.annotations?.[podClaimNameAnnotation] === name;
  const known =
    claims.byIndex(byControllerUid.name, uid).find(isOurs) ??
    (await registry.list<ResourceResourceClaim>(resourceClaimKind, { namespace })).items.find(isOurs);
  if (known) return known;
  const template = templates.get(namespace, templateName);
  if (!template) {
    const message = `PodResourceClaim ${name}: resource claim template "${templateName}": resourceclaimtemplate.resource.k8s.io "${templateName}" not found`;
    const source = { component: 'resource_claim' };
    events.record(podKind, pod, { type: 'Warning', reason: 'FailedResourceClaimCreation', message, source });
    return undefined;
  }
  const { metadata, spec } = template.spec;
  const claim: ResourceResourceClaim = {
    metadata: {
      generateName: `${podName}-${name}-`,
      namespace,
      labels: { ...metadata?.labels },
      annotations: { ...metadata?.annotations, [podClaimNameAnnotation]: name },
      ownerReferences: [controllerReference(podKind, pod)],
    },
    spec: structuredClone(spec),
  };
  return registry.create<ResourceResourceClaim>(resourceClaimKind, claim).catch((error: unknown) => {
    if (isNamespaceEnding(error)) return undefined;
    throw error;
  });
}
