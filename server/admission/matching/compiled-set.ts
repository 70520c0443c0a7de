import type { AdmissionSubject } from '../../registry/admission.ts';
import type { Criteria } from './criteria.ts';
import { isExempt } from './exempt-kinds.ts';

/** What a cluster's users configured to have a say in writes, compiled when it is first asked for after a change. */
export interface CompiledSet<M> {
  list(): readonly M[];
  /** Whether any of it may concern such a write. Asked before every write of the server. */
  concern(subject: AdmissionSubject): boolean;
  /** What it was compiled from has changed. */
  forget: () => void;
}

export function compiledSet<M extends { criteria: Criteria }>(compile: () => readonly M[]): CompiledSet<M> {
  const concerned = new Map<string, boolean>();
  let compiled: readonly M[] | undefined;
  const list = () => (compiled ??= compile());
  return {
    list,
    concern(subject) {
      if (list().length === 0) return false;
      const { kind, operation, subresource } = subject;
      const key = `${kind.group}/${kind.version}/${kind.plural}/${subresource} ${operation}`;
      let answer = concerned.get(key);
      if (answer === undefined) {
        answer = !isExempt(kind) && list().some(({ criteria }) => criteria.mayMatch(subject));
        concerned.set(key, answer);
      }
      return answer;
    },
    forget() {
      compiled = undefined;
      concerned.clear();
    },
  };
}
