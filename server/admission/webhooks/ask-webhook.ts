import { type Random, uuid } from '../../../lib/random.ts';
import { isObject } from '../../../protocol/patch/json-value.ts';
import { StatusError } from '../../../protocol/status.ts';
import { callWebhook } from '../../outgoing/call-webhook.ts';
import { HttpsCallError } from '../../outgoing/https-client.ts';
import type { Outgoing } from '../../outgoing/outgoing.ts';
import type { SeenRequest } from '../seen-request.ts';
import type { Hook } from './webhook-set.ts';

/** It could not be asked, or what it said makes no sense: its failurePolicy decides what then. */
export class WebhookFailure extends Error {
  readonly code = 'ERR_WEBHOOK_FAILURE';

  constructor(name: string, reason: string, cause?: unknown) {
    super(
      `failed calling webhook ${JSON.stringify(name)}: ${reason}`,
      cause === undefined ? undefined : { cause },
    );
    this.name = 'WebhookFailure';
  }
}

export interface Verdict {
  /** A StatusError, where it says no. */
  denial: StatusError | undefined;
  /** JSON Patch. */
  patch: unknown;
  warnings: readonly string[];
  /** For the audit log. */
  annotations: readonly (readonly [key: string, value: string])[];
}

export interface AskContext {
  outgoing: Outgoing;
  random: Random;
}

const reviewVersions = ['v1', 'v1beta1'];

/** What a webhook says about a request. Throws WebhookFailure. */
export async function askWebhook(
  { webhook }: Hook,
  { attributes, object, oldObject }: SeenRequest,
  { mutates, outgoing, random }: AskContext & { mutates: boolean },
): Promise<Verdict> {
  const { name, clientConfig, timeoutSeconds = 10 } = webhook;
  const version = webhook.admissionReviewVersions.find((one) => reviewVersions.includes(one)) ?? 'v1';
  const apiVersion = `admission.k8s.io/${version}`;
  const uid = uuid(random);
  const request = { uid, ...attributes, object: object ?? null, oldObject: oldObject ?? null };
  try {
    const answer = await callWebhook(outgoing, {
      client: clientConfig,
      review: { kind: 'AdmissionReview', apiVersion, request },
      timeoutMs: timeoutSeconds * 1000,
      query: `timeout=${timeoutSeconds}s`,
    });
    return readAnswer(answer, { name, uid, apiVersion, mutates });
  } catch (error) {
    if (!(error instanceof HttpsCallError)) throw error;
    throw new WebhookFailure(name, `failed to call webhook: ${error.message}`, error);
  }
}

interface Expected {
  name: string;
  uid: string;
  apiVersion: string;
  mutates: boolean;
}

/** Source: k8s.io/apiserver, plugin/webhook/request, VerifyAdmissionResponse. */
function readAnswer(answer: Readonly<Record<string, unknown>>, expected: Expected): Verdict {
  const { name, uid, apiVersion, mutates } = expected;
  const refuse = (why: string) => new WebhookFailure(name, `received invalid webhook response: ${why}`);
  const { response } = answer;
  if (!isObject(response)) throw refuse('webhook response was absent');
  if (apiVersion.endsWith('/v1')) {
    if (response.uid !== uid)
      throw refuse(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`);
    if (answer.apiVersion !== apiVersion || answer.kind !== 'AdmissionReview')
      throw refuse(
        `expected webhook response of ${apiVersion}, Kind=AdmissionReview, got ${text(answer.apiVersion)}, Kind=${text(answer.kind)}`,
      );
  }
  const fault = patchFault(response, mutates);
  if (fault !== undefined) throw refuse(fault);
  const { patch, warnings, auditAnnotations } = response;
  return {
    denial: response.allowed === true ? undefined : denialOf(name, response.status),
    patch: typeof patch === 'string' && patch !== '' ? readPatch(patch, refuse) : undefined,
    warnings: Array.isArray(warnings) ? warnings.filter((warning) => typeof warning === 'string') : [],
    annotations: Object.entries(auditAnnotations ?? {}).filter((entry): entry is [string, string] => {
      return typeof entry[1] === 'string';
    }),
  };
}

function patchFault(response: Readonly<Record<string, unknown>>, mutates: boolean): string | undefined {
  const { patch, patchType } = response;
  const hasPatch = patch !== undefined && patch !== null && patch !== '';
  const hasType = patchType !== undefined && patchType !== null;
  if (!mutates) {
    if (hasPatch) return 'validating webhook may not return response.patch';
    return hasType ? 'validating webhook may not return response.patchType' : undefined;
  }
  if (hasPatch && !hasType) return 'webhook returned response.patch but not response.patchType';
  if (!hasPatch && hasType) return 'webhook returned response.patchType but not response.patch';
  if (hasPatch && patchType !== 'JSONPatch')
    return `webhook returned invalid response.patchType of ${JSON.stringify(patchType)}`;
  return undefined;
}

function readPatch(base64: string, refuse: (why: string) => Error): unknown {
  try {
    return JSON.parse(Buffer.from(base64, 'base64').toString()) as unknown;
  } catch {
    throw refuse('response.patch is no JSON');
  }
}

/** Source: k8s.io/apiserver, plugin/webhook/errors, ToStatusErr. */
function denialOf(name: string, status: unknown): StatusError {
  const { message, reason, code, details } = isObject(status) ? status : {};
  const by = `admission webhook ${JSON.stringify(name)} denied the request`;
  const why = [message, reason].find((words) => typeof words === 'string' && words !== '');
  return new StatusError('Unknown', typeof why === 'string' ? `${by}: ${why}` : `${by} without explanation`, {
    told: {
      code: typeof code === 'number' && code >= 400 && code <= 599 ? code : 400,
      ...(typeof reason === 'string' && reason !== '' ? { reason } : {}),
    },
    ...(isObject(details) ? { details } : {}),
  });
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
