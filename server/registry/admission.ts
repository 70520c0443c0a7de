import type { KindDefinition, KubernetesObject, Requester } from '../../protocol/kinds/define-kind.ts';
import type { RegistryContext } from './context.ts';
import type { DeleteRequest, WriteOptions } from './registry.ts';

/**
 * What the registry asks before it writes. The order of a write is: the caller's object, defaults, `admit` (may change
 * it), the kind's validation, `validate` (sees what will be stored), the store. An update that lost a race is reviewed
 * again with the newer old object. Who reviews is the room `server/admission`'s to know.
 */
export interface Admission {
  /** Undefined where nobody has a say in such a write: it then waits for nothing. */
  reviewOf(subject: AdmissionSubject): Review | undefined;
}

export interface Review {
  /** Lets everyone who may change `request.object`, in place or by another one. Throws a StatusError to refuse. */
  admit(request: AdmissionRequest): Promise<void>;
  /**
   * Asks everyone whether the final object may be written; throws a StatusError if not. What it resolves to takes back
   * what was accounted for the write, and is to be called when it is not made after all.
   */
  validate(request: AdmissionRequest): Promise<() => void>;
}

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** What is known of a write before its objects are. */
export interface AdmissionSubject {
  /** The stored kind, or for CONNECT the one that is connected to. */
  readonly kind: KindDefinition;
  readonly operation: Operation;
  /** '' for the object itself. */
  readonly subresource: string;
  /** Undefined for cluster-scoped kinds. */
  readonly namespace: string | undefined;
  /** `serverItself` where nobody asked from outside. */
  readonly user: Requester;
}

export interface AdmissionRequest extends AdmissionSubject {
  /** The kind as the client named it: another one than `kind` where it is a view of that. */
  readonly requestKind: KindDefinition;
  /** '' before a name is generated. */
  readonly name: string;
  /**
   * A draft until `admit` is through. Absent for DELETE. Of a subresource that is no part of the object (binding,
   * eviction, token, exec) it is what was posted to it, or its options.
   */
  object: KubernetesObject | undefined;
  /** For UPDATE and DELETE. */
  readonly oldObject: Readonly<KubernetesObject> | undefined;
  /** Nothing will be stored: leave no trace. */
  readonly dryRun: boolean;
  /** In Kubernetes' form, e.g. of kind CreateOptions. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Tells the client, beside the answer. */
  warn(text: string): void;
  /** Adds to what is noted of the request in the audit log, where one is kept; keys are domain-prefixed paths. */
  annotate(key: string, value: string): void;
}

/** Who writes when nobody asked from outside: controllers, the scheduler, the devices' sessions. */
export const serverItself: Requester = {
  name: 'system:apiserver',
  groups: ['system:masters', 'system:authenticated'],
};

export interface ReviewedWrite {
  review: Review;
  request: AdmissionRequest;
}

/** What a write brings to its review. */
export interface WriteDetails {
  operation: Operation;
  options: WriteOptions & Pick<DeleteRequest, 'gracePeriodSeconds' | 'propagationPolicy' | 'preconditions'>;
  object?: KubernetesObject;
  oldObject?: KubernetesObject;
}

/** The review of one write and what it is asked about; undefined where nobody has a say. */
export function reviewedWrite(
  { admission }: Pick<RegistryContext, 'admission'>,
  kind: KindDefinition,
  { operation, options, object, oldObject }: WriteDetails,
): ReviewedWrite | undefined {
  if (!admission) return undefined;
  const { subresource = '', user = serverItself, dryRun = false } = options;
  const { name = '', namespace } = (object ?? oldObject)?.metadata ?? {};
  const subject = { kind, operation, subresource, namespace: kind.namespaced ? namespace : undefined, user };
  const review = admission.reviewOf(subject);
  if (!review) return undefined;
  const request: AdmissionRequest = {
    ...subject,
    requestKind: options.requestKind ?? kind,
    name,
    object,
    oldObject,
    dryRun,
    options: optionsObject(operation, options),
    warn: options.warn ?? (() => {}),
    annotate: options.annotate ?? (() => {}),
  };
  return { review, request };
}

/** Writes under a review: what was accounted for a write that fails is taken back. */
export async function writeReviewed<R>(
  { review, request }: ReviewedWrite,
  write: () => Promise<R>,
): Promise<R> {
  const takeBack = await review.validate(request);
  try {
    return await write();
  } catch (error) {
    takeBack();
    throw error;
  }
}

function optionsObject(
  operation: Operation,
  options: WriteDetails['options'],
): Readonly<Record<string, unknown>> {
  const { dryRun, fieldManager, gracePeriodSeconds, propagationPolicy, preconditions } = options;
  return {
    kind: operation === 'UPDATE' ? (options.updateOptionsKind ?? 'UpdateOptions') : kindsOfOptions[operation],
    apiVersion: 'meta.k8s.io/v1',
    ...(dryRun ? { dryRun: ['All'] } : {}),
    ...(fieldManager === undefined ? {} : { fieldManager }),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(preconditions === undefined ? {} : { preconditions }),
  };
}

const kindsOfOptions = { CREATE: 'CreateOptions', DELETE: 'DeleteOptions', CONNECT: 'ConnectOptions' };
