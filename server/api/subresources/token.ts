import type { Node, Pod, TokenRequest } from '../../../protocol/generated/models.ts';
import { invalid } from '../../../protocol/kinds/cause.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { secretKind } from '../../../protocol/kinds/secret.ts';
import { storedMeta, timestamp } from '../../../protocol/kinds/stored-object.ts';
import { isStatus, StatusError } from '../../../protocol/status.ts';
import type { ObjectReference, TokenOrder } from '../../identity/service-account-tokens.ts';
import { forbidden, invalid as invalidObject } from '../../registry/failures.ts';
import { accountOf, nodeOfUser } from '../access/node-authorizer.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { checkPlace, parseTyped } from '../request/body-object.ts';
import { readBody } from '../request/request-body.ts';
import { readWriteQuery } from '../request/write-options.ts';
import { sendPlain } from '../response/answer.ts';
import { admitPosted } from './admit-posted.ts';

export const tokenRequestType = {
  group: 'authentication.k8s.io',
  version: 'v1',
  apiVersion: 'authentication.k8s.io/v1',
  kind: 'TokenRequest',
  schema: 'io.k8s.api.authentication.v1.TokenRequest',
};

const lifetimeSecondsDefault = 3600;
const lifetimeSecondsMin = 600;
const lifetimeSecondsMax = 2 ** 32;

/** `POST serviceaccounts/<name>/token`: a new token, which is written down nowhere (source: Kubernetes' TokenREST). */
export async function createToken(exchange: ResourceExchange): Promise<void> {
  const { services, kind } = exchange;
  const { fieldValidation, dryRun } = readWriteQuery(exchange, 'CreateOptions');
  const value = parseTyped(services, await readBody(exchange), tokenRequestType);
  const { object } = services.decoder.decodeAs(tokenRequestType.schema, value, { fieldValidation });
  const order = object as TokenRequest;
  checkPlace(exchange, order, { named: true });
  await admitPosted(exchange, order, { dryRun });
  const spec = readSpec(order);
  const account = await services.registry.get(kind, objectName(exchange));
  const { name, uid, namespace = '' } = storedMeta(account);
  const boundTo = await findBound(exchange, order);
  const { serviceAccounts, audiences } = services.access;
  const wanted = spec.audiences.length > 0 ? spec.audiences : [...audiences];
  const { token, expiresAt } = serviceAccounts.issue({
    account: { namespace, name, uid },
    audiences: wanted,
    expirationSeconds: spec.expirationSeconds,
    ...(boundTo ? { boundTo } : {}),
  });
  await sendPlain(exchange, 201, {
    ...order,
    kind: tokenRequestType.kind,
    apiVersion: tokenRequestType.apiVersion,
    metadata: { name, namespace, creationTimestamp: timestamp(services.clock.now()) },
    spec: { ...order.spec, audiences: wanted, expirationSeconds: spec.expirationSeconds },
    status: { token: dryRun ? '' : token, expirationTimestamp: timestamp(expiresAt) },
  });
}

function readSpec({ spec }: TokenRequest): { audiences: string[]; expirationSeconds: number } {
  const expirationSeconds = spec?.expirationSeconds ?? lifetimeSecondsDefault;
  const refuse = (why: string) =>
    invalidObject({ ...tokenRequestType, plural: 'tokenrequests' }, '', [
      invalid('spec.expirationSeconds', expirationSeconds, why),
    ]);
  if (expirationSeconds < lifetimeSecondsMin) throw refuse('may not specify a duration less than 10 minutes');
  if (expirationSeconds > lifetimeSecondsMax)
    throw refuse('may not specify a duration larger than 2^32 seconds');
  return { audiences: spec?.audiences ?? [], expirationSeconds };
}

/**
 * The object that the token shall live and die with. A device gets tokens for its pods only, each bound to one of
 * them.
 */
async function findBound(
  exchange: ResourceExchange,
  { spec }: TokenRequest,
): Promise<TokenOrder['boundTo'] | undefined> {
  const { services, user, kind } = exchange;
  const { name: account, namespace } = objectName(exchange);
  const at = spec?.boundObjectRef;
  const node = nodeOfUser(user);
  if (node !== undefined && (at?.kind !== 'Pod' || !at.uid))
    throw forbidden(kind, account, `node requested token not bound to a pod`);
  if (!at) return undefined;
  const place = { name: at.name ?? '', ...(namespace === undefined ? {} : { namespace }) };
  const { registry } = services;
  switch (`${at.apiVersion} ${at.kind}`) {
    case 'v1 Pod': {
      const pod = await registry.get(podKind, place);
      if (accountOf(pod) !== account)
        throw new StatusError(
          'BadRequest',
          `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
        );
      if (node !== undefined && pod.spec?.nodeName !== node)
        throw forbidden(kind, account, 'node requested token bound to a pod scheduled on a different node');
      const nodeReference = await nodeOfPod(exchange, pod);
      return { kind: 'Pod', pod: checked(at, pod), ...(nodeReference ? { node: nodeReference } : {}) };
    }
    case 'v1 Secret':
      return { kind: 'Secret', object: checked(at, await registry.get(secretKind, place)) };
    case 'v1 Node':
      return { kind: 'Node', object: checked(at, await registry.get(nodeKind, { name: place.name })) };
    default:
      throw new StatusError(
        'BadRequest',
        `cannot bind token to object of type ${at.apiVersion ?? ''}, Kind=${at.kind ?? ''}`,
      );
  }
}

async function nodeOfPod({ services }: ResourceExchange, pod: Pod): Promise<ObjectReference | undefined> {
  const name = pod.spec?.nodeName;
  if (!name) return undefined;
  try {
    const node: Node = await services.registry.get(nodeKind, { name });
    return { name, uid: storedMeta(node).uid };
  } catch (error) {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  }
}

function checked(
  { kind = '', name = '', uid }: { kind?: string; name?: string; uid?: string },
  object: Parameters<typeof storedMeta>[0],
): ObjectReference {
  const found = storedMeta(object).uid;
  if (!uid || uid === found) return { name, uid: found };
  throw new StatusError(
    'Conflict',
    `Operation cannot be fulfilled on ${kind} ${JSON.stringify(name)}: the UID in the bound object reference (${uid}) ` +
      'does not match the UID in record. The object might have been deleted and then recreated',
    { details: { name, kind } },
  );
}
