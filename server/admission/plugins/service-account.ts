import { sleep } from '../../../lib/clock.ts';
import type { Container, Pod, PodSpec, ServiceAccount } from '../../../protocol/generated/models.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { serviceAccountKind } from '../../../protocol/kinds/service-account.ts';
import type { Informer } from '../../cache/informer.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import { type AdmissionContext, defineAdmission } from '../define-admission.ts';
import { findObject } from '../find-object.ts';
import { isOneOf } from '../is-one-of.ts';
import { refusal } from '../refusal.ts';
import { mountToken } from '../token-volume.ts';

const defaultName = 'default';
/** The default account of a new namespace is made a moment after the namespace. */
const defaultAttemptsMax = 10;
const attemptMs = 100;
const enforceSecretsAnnotation = 'kubernetes.io/enforce-mountable-secrets';

/** A pod runs as an account that exists, pulls images with what that account names, and has its token. */
export const serviceAccount = defineAdmission({
  name: 'ServiceAccount',
  setup(context) {
    const parts = { ...context, accounts: context.cache.informer(serviceAccountKind) };
    return {
      handles: ({ kind, operation, subresource }) =>
        subresource === '' && operation === 'CREATE' && isOneOf(kind, podKind),
      async admit(request) {
        const spec = ((request.object as Pod).spec ??= { containers: [] });
        spec.serviceAccountName ||= defaultName;
        spec.serviceAccount = spec.serviceAccountName;
        const account = await accountOf(request, spec.serviceAccountName, parts);
        const { imagePullSecrets = [] } = account;
        if (!spec.imagePullSecrets?.length && imagePullSecrets.length > 0)
          spec.imagePullSecrets = structuredClone(imagePullSecrets);
        mountToken(spec, account, context.random);
      },
      async validate(request) {
        const { spec } = request.object as Pod;
        if (!spec?.serviceAccountName) throw refusal(request, noAccount(request));
        const account = await accountOf(request, spec.serviceAccountName, parts);
        if (account.metadata?.annotations?.[enforceSecretsAnnotation] !== 'true') return;
        const why = foreignSecret(spec, account);
        if (why !== undefined) throw refusal(request, why);
      },
    };
  },
});

type Parts = Pick<AdmissionContext, 'registry' | 'clock'> & { accounts: Informer<ServiceAccount> };

async function accountOf(
  request: AdmissionRequest,
  name: string,
  { registry, clock, accounts }: Parts,
): Promise<Readonly<ServiceAccount>> {
  const { namespace = '' } = request;
  const attempts = name === defaultName ? defaultAttemptsMax : 1;
  for (let attempt = 1; ; attempt += 1) {
    const found = await findObject({ registry, informer: accounts }, { namespace, name });
    if (found) return found;
    if (attempt >= attempts) break;
    await sleep(clock, attemptMs);
  }
  const why = `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`;
  throw refusal(request, why);
}

function noAccount({ namespace = '', name }: AdmissionRequest): string {
  return `no service account specified for pod ${namespace}/${name}`;
}

/** Why a pod may not name a secret that its account, which limits that, does not list. */
function foreignSecret(spec: PodSpec, account: Readonly<ServiceAccount>): string | undefined {
  const { name = '' } = account.metadata ?? {};
  const mountable = new Set((account.secrets ?? []).map((secret) => secret.name));
  const suffix = `is not allowed because service account ${name} does not reference that secret`;
  for (const { secret } of spec.volumes ?? [])
    if (secret && !mountable.has(secret.secretName))
      return `volume with secret.secretName="${secret.secretName}" ${suffix}`;
  for (const [word, container] of [
    ...(spec.initContainers ?? []).map((each) => ['init container', each] as const),
    ...spec.containers.map((each) => ['container', each] as const),
  ]) {
    const why = foreignVariable(container, { mountable, word, suffix });
    if (why !== undefined) return why;
  }
  const pulls = new Set((account.imagePullSecrets ?? []).map((secret) => secret.name));
  const wrong = (spec.imagePullSecrets ?? []).findIndex((secret) => !pulls.has(secret.name));
  if (wrong < 0) return undefined;
  return `imagePullSecrets[${wrong}].name="${spec.imagePullSecrets?.[wrong]?.name}" is not allowed because service account ${name} does not reference that imagePullSecret`;
}

function foreignVariable(
  { name: container, env = [], envFrom = [] }: Container,
  { mountable, word, suffix }: { mountable: ReadonlySet<string | undefined>; word: string; suffix: string },
): string | undefined {
  for (const { name, valueFrom } of env) {
    const secret = valueFrom?.secretKeyRef?.name;
    if (secret !== undefined && !mountable.has(secret))
      return `${word} ${container} with envVar ${name} referencing secret.secretName="${secret}" ${suffix}`;
  }
  for (const { secretRef } of envFrom)
    if (secretRef && !mountable.has(secretRef.name))
      return `${word} ${container} with envFrom referencing secret.secretName="${secretRef.name}" ${suffix}`;
  return undefined;
}
