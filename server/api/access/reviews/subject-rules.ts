import type { SelfSubjectRulesReview } from '../../../../protocol/generated/models.ts';
import { StatusError } from '../../../../protocol/status.ts';
import { nodeOfUser } from '../node-authorizer.ts';
import type { ReviewAnswer } from './review-handlers.ts';

/** `kubectl auth can-i --list`: what the asker may do in a namespace, by the rules of their roles. */
export const answerRules: ReviewAnswer = ({ services, user }, object) => {
  const review = object as SelfSubjectRulesReview;
  const namespace = review.spec?.namespace;
  if (!namespace) throw new StatusError('BadRequest', 'no namespace on request');
  const rules = services.access.heldRules(user, namespace);
  return {
    ...review,
    status: {
      incomplete: nodeOfUser(user) !== undefined,
      ...(nodeOfUser(user) === undefined
        ? {}
        : { evaluationError: 'node authorizer does not support user rule resolution' }),
      resourceRules: rules
        .filter(({ resources }) => resources && resources.length > 0)
        .map(({ verbs, apiGroups, resources, resourceNames }) => ({
          verbs,
          apiGroups: apiGroups ?? [],
          resources: resources ?? [],
          ...(resourceNames ? { resourceNames } : {}),
        })),
      nonResourceRules: rules
        .filter(({ nonResourceURLs }) => nonResourceURLs && nonResourceURLs.length > 0)
        .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs: nonResourceURLs ?? [] })),
    },
  };
};
