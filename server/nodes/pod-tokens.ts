import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Pod, ServiceAccount } from '../../protocol/generated/models.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import type { Message } from '../../protocol/topics/define-topic.ts';
import { tokenGrant, tokenRequest, tokenSecondsUnchosen } from '../../protocol/topics/tokens.ts';
import type { Bus } from '../bus/bus.ts';
import type { Informer } from '../cache/informer.ts';
import { createNodeBudget } from './node-budget.ts';

/** What a token for a pod is to say. */
export interface PodTokenOrder {
  account: { namespace: string; name: string; uid: string };
  pod: { name: string; uid: string };
  node: { name: string; uid: string } | undefined;
  /** undefined: the API server's own. */
  audience: string | undefined;
  expirationSeconds: number;
}

export type IssuePodToken = (order: PodTokenOrder) => { token: string; expiresAt: number; apiPort: number };

export interface PodTokenOptions {
  bus: Bus;
  clock: Clock;
  log: Logger;
  pods: Informer<Pod>;
  accounts: Informer<ServiceAccount>;
  nodeUid: (node: string) => string | undefined;
  issue: IssuePodToken;
}

const secondsMin = 600;
const secondsDefault = 3600;
/** As kube-apiserver: the token is worth nothing anyway once its pod is gone (docs/decisions/0267). */
const secondsUnchosen = 365 * 24 * 3600;
/** A signature costs a millisecond: a device that restarts gets all it needs at once, one gone mad does not get more. */
const budget = { burst: 512, refillMs: 250 };

/** Gives devices tokens for the pods that are bound to them, exactly as the pods' volumes ask. */
export function servePodTokens(options: PodTokenOptions): Disposable {
  const { bus, clock, log } = options;
  const mayAsk = createNodeBudget(clock, budget);
  return bus.subscribe(tokenRequest, (request, { node }) => {
    if (node === undefined || !mayAsk(node)) return;
    const answer = answerTo(options, node, request);
    void bus
      .publish(tokenGrant, { node }, { ...request, answer })
      .catch((error: unknown) => log.warn('a token could not be sent', { node, error }));
  });
}

function answerTo(
  { pods, accounts, nodeUid, issue, clock }: PodTokenOptions,
  node: string,
  { podUid, audience, expirationSeconds }: Message<typeof tokenRequest>,
): Message<typeof tokenGrant>['answer'] {
  const pod = pods.getByUid(podUid);
  if (!pod || pod.spec?.nodeName !== node) return refused(`pod ${podUid} is not bound to this node`);
  if (!asksFor(pod, audience, expirationSeconds))
    return refused('no volume of the pod asks for such a token');
  const { namespace = '', name: podName } = storedMeta(pod);
  const accountName = pod.spec.serviceAccountName ?? 'default';
  const account = accounts.get(namespace, accountName);
  if (!account) return refused(`serviceaccounts "${accountName}" not found`);
  const uid = nodeUid(node);
  const { token, expiresAt, apiPort } = issue({
    account: { namespace, name: accountName, uid: storedMeta(account).uid },
    pod: { name: podName, uid: podUid },
    node: uid === undefined ? undefined : { name: node, uid },
    audience: audience === '' ? undefined : audience,
    expirationSeconds: lifeSeconds(audience, expirationSeconds),
  });
  return { type: 'token', token, issuedAtMs: clock.now(), expiresAtMs: expiresAt, apiPort };
}

/** A life that nobody chose is long: each renewal costs a metered link 1.5 kB and a memory card two pages. */
function lifeSeconds(audience: string, asked: number): number {
  if (audience === '' && asked === tokenSecondsUnchosen) return secondsUnchosen;
  return Math.max(secondsMin, asked);
}

function asksFor({ spec }: Readonly<Pod>, audience: string, seconds: number): boolean {
  const sources = (spec?.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);
  return sources.some(
    ({ serviceAccountToken: wanted }) =>
      wanted &&
      (wanted.audience ?? '') === audience &&
      (wanted.expirationSeconds ?? secondsDefault) === seconds,
  );
}

function refused(message: string): Message<typeof tokenGrant>['answer'] {
  return { type: 'refused', message };
}
