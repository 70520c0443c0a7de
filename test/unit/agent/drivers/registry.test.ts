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

  test('a name that none has is an error that says so', async () => {
    const definitions = [definition('good', true)];
    await assert.rejects(openDrivers({ ...context, runtime: 'misspelt', definitions }), {
      code: 'RuntimeUnavailable',
      message: /misspelt/,
    });
  });

  test('one that works later takes its place, is told of once, and then nothing is looked for', async () => {
    const clock = new ManualClock();
    let installed = false;
    let probes = 0;
    const late: DriverDefinition = {
      name: 'late',
      open: (options) => {
        const driver = createHollowDriver({ clock: options.clock, name: 'late' });
        driver.probe = () => {
          probes += 1;
          const message = installed ? 'late is here' : 'not installed';
          return Promise.resolve({ available: installed, message, version: installed ? 'late://2' : '' });
        };
        return driver;
      },
    };
    const definitions = [late, definition('good', true)];
    using opened = await openDrivers({ ...context, clock, runtime: 'auto', definitions });
    const found: string[] = [];
    opened.onFound(({ driver, probe }) => found.push(`${driver.name} ${probe.version}`));
    await clock.advance(10 * 60_000);
    assert.ok(probes > 5 && probes < 20, `${probes} looks in ten minutes`);
    assert.deepEqual(found, []);
    installed = true;
    await clock.advance(60_000);
    assert.deepEqual(found, ['late late://2']);
    assert.deepEqual(
      opened.drivers.map(({ driver }) => driver.name),
      ['late', 'good'],
    );
    assert.deepEqual(opened.unavailable, []);
    const looks = probes;
    await clock.advance(10 * 60_000);
    assert.equal(probes, looks);
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
