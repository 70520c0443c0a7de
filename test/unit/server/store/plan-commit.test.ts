import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultStoreLimits } from '../../../../server/store/limits.ts';
import { planCommit } from '../../../../server/store/plan-commit.ts';
import type { Operation } from '../../../../server/store/store.ts';
import type { Version } from '../../../../server/store/version.ts';
import { type Condition, writeRequest } from '../../../../server/store/write-request.ts';

const put = (key: string): Operation => ({ type: 'put', key, value: Buffer.from(key) });
const request = (conditions: Condition[], ...operations: Operation[]) =>
  writeRequest(conditions, operations, defaultStoreLimits);
const existing: Version = { key: 'a', revision: 7, slot: 0, deleted: false, previous: undefined };
const committed = { revision: 9, newest: (key: string) => (key === 'a' ? existing : undefined) };

describe('a plan of a batch', () => {
  it('gives each transaction the next revision and each put two records', () => {
    const plan = planCommit([request([], put('b')), request([], put('a'), put('c'))], committed);
    assert.deepEqual(
      plan.outcomes.map((outcome) => outcome.type === 'commits' && outcome.revision),
      [10, 11],
    );
    assert.equal(plan.revision, 11);
    assert.equal(plan.operations.length, 6);
    assert.deepEqual(
      plan.versions.map(({ key, revision, slot, previous }) => [key, revision, slot, previous?.revision]),
      [
        ['b', 10, 0, undefined],
        ['a', 11, 0, 7],
        ['c', 11, 1, undefined],
      ],
    );
  });

  it('a refusal is final only if nothing that may still fail caused it', () => {
    const plan = planCommit(
      [
        request([{ expect: 'absent', key: 'a' }], put('a')),
        request([{ expect: 'absent', key: 'b' }], put('b')),
        request([{ expect: 'absent', key: 'b' }], put('b')),
      ],
      committed,
    );
    assert.deepEqual(
      plan.outcomes.map((outcome) => outcome.type === 'refused' && outcome.final),
      [true, false, false],
    );
    assert.deepEqual(
      plan.outcomes.map((outcome) => outcome.type),
      ['refused', 'commits', 'refused'],
    );
  });

  it('a refused transaction leaves no trace and takes no revision', () => {
    const conditions: Condition[] = [
      { expect: 'guard', key: 'a', revision: 7 },
      { expect: 'guard', key: 'z', revision: 1 },
    ];
    const plan = planCommit([request(conditions, put('x')), request([], put('y'))], committed);
    assert.deepEqual(
      plan.versions.map(({ key, revision }) => [key, revision]),
      [['y', 10]],
    );
  });
});
