import type { UserInfo } from '../../../../protocol/generated/models.ts';
import type { User } from '../user.ts';
import type { ReviewAnswer } from './review-handlers.ts';

/** `kubectl auth whoami`. */
export const answerWhoAmI: ReviewAnswer = ({ user }, review) => ({
  ...review,
  status: { userInfo: userInfo(user) },
});

export function userInfo({ name, uid, groups, extra }: User): UserInfo {
  return {
    username: name,
    ...(uid === undefined ? {} : { uid }),
    groups: [...groups],
    ...(extra
      ? { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])) }
      : {}),
  };
}
