import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import type { ExecProcess } from '../../../../agent/drivers/driver.ts';
import { countResult, type ProbeCount } from '../../../../agent/probes/probe-count.ts';
import {
  commandStartMs,
  type ProbeListener,
  Prober,
  type ProbeTarget,
  tellAgainAfterMs,
} from '../../../../agent/probes/prober.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

function target(more: Partial<ProbeTarget> = {}): ProbeTarget {
  return {
    container: 'app',
    attempt: 0,
    kind: 'readiness',
    action: { type: 'exec', command: ['check'] },
    firstAtMs: 0,
    periodMs: 10_000,
    timeoutMs: 1_000,
    successThreshold: 1,
    failureThreshold: 3,
    healthy: false,
    ...more,
  };
}

/** Answers every command by `exitCode`; 'never' does not answer. */
class Probed {
  readonly clock = new ManualClock();
  readonly prober = new Prober({ clock: this.clock });
  readonly heard: string[] = [];
  exitCode: number | 'never' = 0;
  tries = 0;
  killed = 0;
  readonly listener: ProbeListener = {
    address: () => '127.0.0.1',
    exec: () => {
      this.tries += 1;
      return Promise.resolve(this.#answer());
    },
    onVerdict: ({ kind, healthy }) => this.heard.push(`${kind} ${healthy}`),
    onOutcome: ({ kind }, { result }) => this.heard.push(`told ${kind} ${result}`),
  };

  watch(...targets: ProbeTarget[]): void {
    this.prober.watch('p1', targets, this.listener);
  }

  #answer(): ExecProcess {
    const { exitCode } = this;
    return {
      write: () => Promise.resolve(),
      endStdin: () => {},
      resize: () => Promise.resolve(),
      async *output() {},
      exit: exitCode === 'never' ? new Promise(() => {}) : Promise.resolve(exitCode),
      kill: () => void (this.killed += 1),
    };
  }
}

suite('the prober', () => {
  test('tells what changes, after as many results in a row as the thresholds ask', async () => {
    const probed = new Probed();
    probed.watch(target({ successThreshold: 2 }));
    await probed.clock.advance(0);
    assert.deepEqual(probed.heard, []);
    await probed.clock.advance(10_100);
    assert.deepEqual(probed.heard, ['readiness true']);
    probed.exitCode = 1;
    await probed.clock.advance(20_000);
    assert.deepEqual(probed.heard.slice(1), ['told readiness failure', 'told readiness failure']);
    await probed.clock.advance(10_000);
    assert.equal(probed.heard.at(-1), 'readiness false');
    probed.prober[Symbol.dispose]();
  });

  test('a liveness probe that has failed is not tried again', async () => {
    const probed = new Probed();
    probed.exitCode = 1;
    probed.watch(target({ kind: 'liveness', healthy: true, failureThreshold: 1 }));
    await probed.clock.advance(60_000);
    assert.deepEqual([probed.tries, probed.heard.at(-1)], [1, 'liveness false']);
    probed.prober[Symbol.dispose]();
  });

  test('an answer that does not come in time is a failure, and its command is killed', async () => {
    const probed = new Probed();
    probed.exitCode = 'never';
    probed.watch(target({ kind: 'liveness', healthy: true, failureThreshold: 2 }));
    await probed.clock.advance(10_000 + 1_000 + commandStartMs + 100);
    assert.deepEqual([probed.killed, probed.heard.at(-1)], [2, 'liveness false']);
    probed.prober[Symbol.dispose]();
  });

  test('the wall clock may jump by fifty years either way', async () => {
    const probed = new Probed();
    probed.watch(target());
    await probed.clock.advance(0);
    for (const years of [50, -100, 50]) {
      const before = probed.tries;
      probed.clock.jumpWall(years * 365 * 86_400_000);
      await probed.clock.advance(9_800);
      assert.equal(probed.tries, before, 'not earlier');
      await probed.clock.advance(200);
      assert.equal(probed.tries, before + 1, 'not later');
    }
    assert.deepEqual(probed.heard, ['readiness true']);
    probed.prober[Symbol.dispose]();
  });

  test('watching again what is watched changes nothing; what is no longer named is left alone', async () => {
    const probed = new Probed();
    probed.watch(target());
    await probed.clock.advance(5_000);
    probed.watch(target({ firstAtMs: 0 }));
    await probed.clock.advance(4_000);
    assert.equal(probed.tries, 1);
    probed.watch();
    await probed.clock.advance(60_000);
    assert.deepEqual([probed.tries, probed.prober.size, probed.clock.nextDelay], [1, 0, undefined]);
  });

  test('an endless row of failures is told now and then only', async () => {
    const probed = new Probed();
    probed.exitCode = 1;
    probed.watch(target());
    await probed.clock.advance(tellAgainAfterMs + 60_000);
    assert.equal(probed.heard.length, 4, 'three that lead to the verdict, one later');
    probed.prober[Symbol.dispose]();
  });

  test('fifty pods are probed with one timer, and few commands run at a time', async () => {
    const probed = new Probed();
    probed.exitCode = 'never';
    for (let pod = 0; pod < 50; pod++) probed.prober.watch(`p${pod}`, [target()], probed.listener);
    await probed.clock.advance(0);
    assert.equal(probed.tries, 2);
    probed.prober[Symbol.dispose]();
    await probed.clock.advance(0);
    assert.equal(probed.clock.nextDelay, undefined, 'and nothing is left of it');
  });

  test('a verdict follows exactly from the last results in a row, whatever came before', () => {
    const results = fc.array(fc.constantFrom('success', 'failure', 'warning', 'unknown' as const));
    const thresholds = fc.record({
      successThreshold: fc.integer({ min: 1, max: 4 }),
      failureThreshold: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(results, thresholds, (all, limits) => {
        let count: ProbeCount = { last: undefined, inARow: 0, healthy: undefined };
        for (const result of all) count = countResult(count, result, limits);
        const said = all.filter((result) => result !== 'unknown').map((result) => result !== 'failure');
        let expected: boolean | undefined;
        for (let end = 1; end <= said.length; end++) {
          const last = said[end - 1];
          const enough = last ? limits.successThreshold : limits.failureThreshold;
          const row = said.slice(Math.max(0, end - enough), end);
          if (row.length === enough && row.every((one) => one === last)) expected = last;
        }
        assert.equal(count.healthy, expected);
      }),
    );
  });
});
