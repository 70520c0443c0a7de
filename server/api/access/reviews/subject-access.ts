import type {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
} from '../../../../protocol/generated/models.ts';
import { invalid } from '../../../../protocol/kinds/cause.ts';
import { type StatusCause, StatusError } from '../../../../protocol/status.ts';
import { invalid as invalidObject } from '../../../registry/failures.ts';
import type { ResourceExchange } from '../../exchange.ts';
import type { AccessRequest } from '../access-request.ts';
import type { User } from '../user.ts';
import type { ReviewAnswer } from './review-handlers.ts';

/** `kubectl auth can-i`: may the asker do it? */
export const answerOwnAccess: ReviewAnswer = async (exchange, object) => {
  const review = object as SelfSubjectAccessReview;
  refuseIf(exchange, attributeCauses(review.spec ?? {}));
  return { ...review, status: await decide(exchange, exchange.user, review.spec) };
};

/** May somebody else do it? */
export const answerAccess: ReviewAnswer = async (exchange, object) => {
  const review = object as SubjectAccessReview;
  refuseIf(exchange, [...attributeCauses(review.spec ?? {}), ...subjectCauses(review.spec ?? {})]);
  return { ...review, status: await decide(exchange, userOf(review.spec), review.spec) };
};

/** As the other, for who may only ask about one namespace. */
export const answerLocalAccess: ReviewAnswer = async (exchange, object) => {
  const review = object as LocalSubjectAccessReview;
  const { namespace } = exchange.info;
  const { spec } = review;
  refuseIf(exchange, [...attributeCauses(spec ?? {}), ...subjectCauses(spec ?? {})]);
  if (spec?.nonResourceAttributes)
    throw invalidReview(exchange, [
      invalid('spec.nonResourceAttributes', spec.nonResourceAttributes, 'disallowed on this kind of request'),
    ]);
  if (spec?.resourceAttributes?.namespace !== namespace)
    throw new StatusError(
      'BadRequest',
      `spec.resourceAttributes.namespace must match namespace: ${namespace ?? ''}`,
    );
  return { ...review, status: await decide(exchange, userOf(spec), spec) };
};

type Asked = Pick<SubjectAccessReviewSpec, 'resourceAttributes' | 'nonResourceAttributes'>;

async function decide(
  { services }: ResourceExchange,
  user: User,
  spec: Asked,
): Promise<SubjectAccessReviewStatus> {
  const { allowed, reason } = await services.access.authorize(user, requestOf(spec));
  return { allowed, ...(reason ? { reason } : {}) };
}

function requestOf({ resourceAttributes, nonResourceAttributes }: Asked): AccessRequest {
  if (nonResourceAttributes)
    return {
      type: 'path',
      verb: nonResourceAttributes.verb ?? '',
      path: nonResourceAttributes.path ?? '',
    };
  const { verb, group, resource, subresource, namespace, name, fieldSelector } = resourceAttributes ?? {};
  const fields = (fieldSelector?.requirements ?? []).flatMap(({ key, operator, values }) =>
    operator === 'In' && values?.length === 1 ? [[key, values[0] ?? ''] as const] : [],
  );
  return {
    type: 'resource',
    verb: verb ?? '',
    group: group ?? '',
    resource: resource ?? '',
    subresource: subresource || undefined,
    namespace: namespace || undefined,
    name: name || undefined,
    fields: new Map(fields),
  };
}

function userOf({ user, groups, uid, extra }: SubjectAccessReviewSpec): User {
  return { name: user ?? '', groups: groups ?? [], ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
}

/** Source: k8s.io/kubernetes/pkg/apis/authorization/validation. */
function attributeCauses({ resourceAttributes, nonResourceAttributes }: Asked): StatusCause[] {
  if (resourceAttributes && nonResourceAttributes)
    return [
      invalid(
        'spec.nonResourceAttributes',
        nonResourceAttributes,
        'cannot be specified in combination with resourceAttributes',
      ),
    ];
  if (resourceAttributes || nonResourceAttributes) return [];
  return [
    invalid(
      'spec.resourceAttributes',
      null,
      'exactly one of nonResourceAttributes or resourceAttributes must be specified',
    ),
  ];
}

function subjectCauses({ user, groups }: SubjectAccessReviewSpec): StatusCause[] {
  return user || (groups && groups.length > 0)
    ? []
    : [invalid('spec.user', user ?? '', 'at least one of user or group must be specified')];
}

function refuseIf(exchange: ResourceExchange, causes: StatusCause[]): void {
  if (causes.length > 0) throw invalidReview(exchange, causes);
}

function invalidReview({ kind }: ResourceExchange, causes: StatusCause[]): StatusError {
  return invalidObject(kind, '', causes);
}
