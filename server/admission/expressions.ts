import { createTimeBound, TimeBoundError } from '../../lib/time-bound.ts';
import { ExpressionError } from '../../protocol/cel/admission-expression.ts';
import {
  CelAuthorizer,
  type RightAnswer,
  type RightQuestion,
} from '../../protocol/cel/authorizer-library.ts';
import { celLimits } from '../../protocol/cel/environment.ts';
import type { Requester } from '../../protocol/kinds/define-kind.ts';
import type { AdmissionRequest } from '../registry/admission.ts';
import type { AdmissionContext } from './define-admission.ts';

/**
 * Runs expressions of a request within a bound of time. An expression that asks about rights is stopped there, the
 * question is answered, and all of it is run again: `work` must be free of side effects.
 */
export type RunExpressions = <R>(
  request: AdmissionRequest,
  work: (authorizer: CelAuthorizer) => R,
) => Promise<R>;

const questionsMax = 32;

/** What it returns throws ExpressionError when the time or the questions run out. */
export function createExpressionRunner({ may }: Pick<AdmissionContext, 'may'>): RunExpressions {
  const bound = createTimeBound();
  return async (request, work) => {
    const answers = new Map<string, RightAnswer>();
    for (let asked = 0; asked <= questionsMax; asked += 1) {
      const open: RightQuestion[] = [];
      const ask = (question: RightQuestion): RightAnswer => {
        const known = answers.get(JSON.stringify(question));
        if (known) return known;
        open.push(question);
        throw new ExpressionError('the answer is not known yet');
      };
      const authorizer = new CelAuthorizer(ask, subjectOf(request));
      const finish = outcomeOf(() => bound.run(() => work(authorizer), celLimits.evaluationMsMax));
      const [question] = open;
      if (!question) return finish();
      answers.set(JSON.stringify(question), await answer(may, request.user, question));
    }
    throw new ExpressionError(`more than ${questionsMax} questions about rights`);
  };
}

/** What running it came to, to be had later: as long as a question is open, it means nothing. */
function outcomeOf<R>(run: () => R): () => R {
  try {
    const result = run();
    return () => result;
  } catch (error) {
    return () => {
      if (!(error instanceof TimeBoundError)) throw error;
      throw new ExpressionError(
        'validation failed due to running out of cost budget, no further validation rules will be run',
        { cause: error },
      );
    };
  }
}

function subjectOf({ kind, requestKind, subresource, namespace, name }: AdmissionRequest) {
  return {
    group: requestKind.group,
    resource: kind.plural,
    subresource,
    name,
    ...(namespace === undefined ? {} : { namespace }),
  };
}

async function answer(
  may: AdmissionContext['may'],
  requester: Requester,
  question: RightQuestion,
): Promise<RightAnswer> {
  const { verb, path, group = '', resource = '', subresource, namespace, name, serviceAccount } = question;
  const user = serviceAccount ? accountUser(serviceAccount) : requester;
  try {
    const allowed = await may(
      user,
      path === undefined
        ? {
            verb,
            group,
            resource,
            ...(subresource ? { subresource } : {}),
            ...(namespace ? { namespace } : {}),
            ...(name ? { name } : {}),
          }
        : { verb, path },
    );
    return { allowed, reason: '' };
  } catch (error) {
    return { allowed: false, reason: '', error: error instanceof Error ? error.message : String(error) };
  }
}

function accountUser({ namespace, name }: { namespace: string; name: string }): Requester {
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
  return { name: `system:serviceaccount:${namespace}:${name}`, groups };
}
