import type { TokenReview, TokenReviewStatus } from '../../../../protocol/generated/models.ts';
import { isStatus, StatusError } from '../../../../protocol/status.ts';
import type { ApiAccess } from '../access.ts';
import { authenticatedGroup, type User } from '../user.ts';
import type { ReviewAnswer } from './review-handlers.ts';
import { userInfo } from './who-am-i.ts';

/** Whose token is this? Why one does not hold is told to nobody. */
export const answerToken: ReviewAnswer = async ({ services }, object) => {
  const review = object as TokenReview;
  const { token, audiences } = review.spec ?? {};
  if (!token) throw new StatusError('BadRequest', 'token is required for TokenReview in authentication');
  return { ...review, status: await statusOf(services.access, token, audiences ?? []) };
};

async function statusOf(
  { authenticateToken, audiences: own }: ApiAccess,
  token: string,
  asked: readonly string[],
): Promise<TokenReviewStatus> {
  const audiences = asked.length > 0 ? asked : own;
  try {
    const answer = await authenticateToken(token, audiences);
    if (!answer) return { error: 'unknown token' };
    return {
      authenticated: true,
      user: userInfo(withAuthenticated(answer.user)),
      audiences: [...(answer.audiences ?? audiences)],
    };
  } catch (error) {
    if (isStatus(error, 'Unauthorized')) return { error: 'the token does not hold' };
    throw error;
  }
}

function withAuthenticated(user: User): User {
  return user.groups.includes(authenticatedGroup)
    ? user
    : { ...user, groups: [...user.groups, authenticatedGroup] };
}
