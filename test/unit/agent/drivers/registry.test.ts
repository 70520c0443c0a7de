import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { RuntimeDriver } from '../../../../agent/drivers/driver.ts';
import { createHollowDriver } from '../../../../agent/drivers/hollow-driver.ts';
import { type DriverDefinition, openDrivers } from '../../../../agent/drivers/registry.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const context = { stateDir: '/nowhere', cluster: 'test', clock: new ManualClock(), log: silentLogger };

function definition(name: string, available: boolean): DriverDefinition {
  return {
    name,
    open: ({ clock }): RuntimeDriver => {
      const driver = createHollowDriver({ clock, name });
      driver.probe = () => Promise.resolve({ available, message: `${name} says`, version: `${name}://1` });
      return driver;
    },
  };
}

suite('openDrivers', () => {
  test('the first that works is the default, the others can be selected, what fails says why', async () => {
    const definitions = [definition('broken', false), definition('good', true), definition('other', true)];
    using opened = await openDrivers({ ...context, runtime: 'auto', definitions });
    assert.deepEqual(
      opened.drivers.map(({ driver, probe }) => [driver.name, probe.version]),
      [
        ['good', 'good://1'],
        ['other', 'other://1'],
      ],
    );
    assert.deepEqual(opened.unavailable, [{ name: 'broken', message: 'broken says' }]);
  });

  test('a runtime that is named is the only one', async () => {
    const definitions = [definition('good', true), definition('other', true)];
    using opened = await openDrivers({ ...context, runtime: 'other', definitions });
    assert.deepEqual(
      opened.drivers.map(({ driver }) => driver.name),
      ['other'],
    );
  });

  test('when none works, or none has that name, the error says so', async () => {
    const definitions = [definition('broken', false)];
    await assert.rejects(openDrivers({ ...context, runtime: 'auto', definitions }), {
      code: 'RuntimeUnavailable',
      message: /broken: broken says/,
    });
    await assert.rejects(openDrivers({ ...context, runtime: 'misspelt', definitions }), {
      code: 'RuntimeUnavailable',
      message: /misspelt/,
    });
  });

  test('one that has worked before keeps its place, is known to be away, and is not waited for', async () => {
    const clock = new ManualClock();
    const silent = definition('silent', true);
    const hanging: DriverDefinition = {
      ...silent,
      open: (options) => Object.assign(silent.open(options), { probe: () => new Promise(() => {}) }),
    };
    const definitions = [hanging, definition('good', true)];
    const seen = new Map([['silent', 'silent://1']]);
    const opening = openDrivers({ ...context, clock, runtime: 'auto', seen, definitions });
    await clock.advance(5_000);
    using opened = await opening;
    assert.deepEqual(
      opened.drivers.map(({ driver, probe, health }) => [driver.name, probe.version, health.problem]),
      [
        ['silent', 'silent://1', 'no answer within 5000 ms'],
        ['good', 'good://1', undefined],
      ],
    );
  });
});
