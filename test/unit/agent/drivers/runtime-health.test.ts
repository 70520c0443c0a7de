import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { DriverError } from '../../../../agent/drivers/errors.ts';
import { RuntimeHealth } from '../../../../agent/drivers/runtime-health.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';
import { FakeEngine } from '../pods/fake-engine.ts';

function patient({ available = true } = {}) {
  const clock = new ManualClock();
  const driver = new FakeEngine(clock);
  const probe = { available, message: 'its daemon does not run', version: 'fake://1' };
  const health = new RuntimeHealth({ driver, probe, clock, log: silentLogger });
  const returns: unknown[] = [];
  health.onBack((listing) => returns.push(listing));
  const asked = () => driver.calls.filter((call) => call === 'list').length;
  return { clock, driver, health, returns, asked };
}

const hangs = new DriverError('RuntimeUnavailable', 'podman ps: no answer within 30000 ms');

suite('a runtime that does not answer', () => {
  test('is asked by one call at a time, ever more rarely, and its return is told once', async () => {
    const { clock, driver, health, returns, asked } = patient();
    driver.failing.set('list', hangs);
    health.suspect();
    health.suspect();
    await settle();
    assert.equal(asked(), 1);
    assert.equal(health.problem, hangs.message);
    health.suspect();
    await clock.advance(10 * 60_000);
    const tries = asked();
    assert.ok(tries > 15 && tries < 30, `${tries} calls in ten minutes`);
    driver.failing.clear();
    await clock.advance(30_000);
    assert.equal(health.problem, undefined);
    assert.equal(returns.length, 1);
    await clock.advance(10 * 60_000);
    assert.equal(asked(), tries + 1, 'one that is well is left alone');
  });

  test('at the start is known to be away until it answers', async () => {
    const { health, returns } = patient({ available: false });
    assert.equal(health.problem, 'its daemon does not run');
    assert.ok(await health.list());
    assert.equal(health.problem, undefined);
    assert.equal(returns.length, 1);
  });

  test('is left alone once nobody wants to know', async () => {
    const { clock, driver, health, asked } = patient();
    driver.failing.set('list', hangs);
    await health.list();
    health[Symbol.dispose]();
    await clock.advance(10 * 60_000);
    assert.equal(asked(), 1);
  });
});
