import type { KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';
import { StatusError } from '../../../../protocol/status.ts';
import type { ResourceExchange, ResourceHandler } from '../../exchange.ts';
import { checkPlace, decodeBody } from '../../request/body-object.ts';
import { readBody } from '../../request/request-body.ts';
import { readWriteQuery } from '../../request/write-options.ts';
import { sendKindObject } from '../../response/answer.ts';
import { answerAccess, answerLocalAccess, answerOwnAccess } from './subject-access.ts';
import { answerRules } from './subject-rules.ts';
import { answerToken } from './token-review.ts';
import { answerWhoAmI } from './who-am-i.ts';

/** Answers one review: what it returns is the review with its status. */
export type ReviewAnswer = (
  exchange: ResourceExchange,
  review: KubernetesObject,
) => Promise<KubernetesObject> | KubernetesObject;

const answers: Readonly<Record<string, ReviewAnswer | undefined>> = {
  __proto__: null as never,
  'localsubjectaccessreviews.authorization.k8s.io': answerLocalAccess,
  'selfsubjectaccessreviews.authorization.k8s.io': answerOwnAccess,
  'selfsubjectreviews.authentication.k8s.io': answerWhoAmI,
  'selfsubjectrulesreviews.authorization.k8s.io': answerRules,
  'subjectaccessreviews.authorization.k8s.io': answerAccess,
  'tokenreviews.authentication.k8s.io': answerToken,
};

/** The handler of a kind that is asked and answered, never stored; undefined for every stored kind. */
export function reviewHandler({
  plural,
  group,
}: {
  plural: string;
  group: string;
}): ResourceHandler | undefined {
  const answer = answers[`${plural}.${group}`];
  if (!answer) return undefined;
  return async (exchange) => {
    const { fieldValidation } = readWriteQuery(exchange, 'CreateOptions');
    const review = decodeBody(exchange, await readBody(exchange), fieldValidation);
    checkPlace(exchange, review, { named: false });
    if (review.metadata?.name) throw new StatusError('BadRequest', 'a review has no name: it is not stored');
    await sendKindObject(exchange, 201, await answer(exchange, review));
  };
}
