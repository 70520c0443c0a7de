import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Pod } from '../../../../protocol/generated/models.ts';
import { CrashingDriver } from './crashing-driver.ts';
import { Device } from './device.ts';
import { container, pod } from './plan-cases.ts';

/**
 * The agent is killed at every single thing it does to the runtime, before and after it is done, in a life that has
 * everything: init container, sidecar, hooks, probes, a crash, an unhealthy container, a deletion.
 */
const check = { exec: { command: ['check'] } };
const lively: Partial<NonNullable<Pod['spec']>> = {
  terminationGracePeriodSeconds: 5,
  initContainers: [container('init'), container('side', { restartPolicy: 'Always', startupProbe: check })],
  containers: [
    container('app', {
      resources: { requests: { cpu: '100m' } },
      lifecycle: { postStart: check, preStop: check },
      livenessProbe: check,
      readinessProbe: check,
    }),
    container('other'),
  ],
};
const wanted = () => pod(structuredClone(lively), { uid: 'p1', name: 'p1' });
const resized = (): Pod => {
  const asking = wanted();
  const resources = { requests: { cpu: '250m' } };
  for (const each of asking.spec?.containers ?? []) if (each.name === 'app') each.resources = resources;
  return asking;
};
const deletion = { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 5 };

/** Lives through the whole story, with the agent killed at the `killAt`th call. Returns how many calls there were. */
async function live(
  killAt: number,
  moment: 'before' | 'after',
  { jumpYears = 0 }: { jumpYears?: number } = {},
): Promise<number> {
  const device = new Device();
  const driver = new CrashingDriver(device.engine, { killAt, moment });
  device.driver = driver;
  let years = jumpYears;
  const go = async (chapter: () => Promise<void> | void) => {
    device.clock.jumpWall(years * 365 * 86_400_000);
    years = -years;
    await chapter();
    await device.quiet();
    if (!driver.struck) return;
    const killed = device.killAgent();
    // Until the dead one has given up waiting for what never ends.
    await device.clock.advance(5_000);
    await killed;
    driver.revive();
    await device.startAgent();
    await device.quiet();
  };
  const { engine } = device;
  const newest = (name: string) => engine.running.findLast((id) => id.startsWith(`p1-${name}-`));
  const exit = (name: string, code: number) => {
    const id = newest(name);
    if (id !== undefined) engine.exit(id, code);
  };
  await go(() => device.startAgent());
  await go(() => device.want(wanted()));
  await go(() => exit('init', 0));
  await go(() => device.advance(12_000));
  await go(() => exit('init', 0));
  await go(() => device.advance(12_000));
  await go(() => exit('other', 1));
  await go(() => device.advance(30_000));
  driver.commandsExit = 1;
  await go(() => device.advance(31_000));
  driver.commandsExit = 0;
  for (let rest = 0; rest < 3; rest++) await go(() => device.advance(40_000));

  assert.deepEqual(engine.running.map((id) => id.replace(/-\d+$/, '')).sort(), [
    'p1-app',
    'p1-other',
    'p1-side',
  ]);
  assert.deepEqual(driver.doubles, [], 'never did two attempts of one container run at a time');
  assert.equal(device.status('p1').phase, 'Running');
  assert.equal(device.status('p1').conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
  const pids = engine.running.map((id) => engine.pid(id));
  await go(() => device.want({ ...wanted(), metadata: { ...wanted().metadata, labels: { any: 'change' } } }));
  assert.deepEqual(
    engine.running.map((id) => engine.pid(id)),
    pids,
    'nothing restarts for nothing',
  );
  await go(() => device.want(resized()));
  const app = newest('app');
  assert.equal(engine.spec(app ?? '')?.resources.cpuRequestMillis, 250, 'resized');
  assert.deepEqual(
    engine.running.map((id) => engine.pid(id)),
    pids,
    'nothing restarts for a resize',
  );
  await go(() => device.want({ ...wanted(), metadata: { ...wanted().metadata, ...deletion } }));
  for (let rest = 0; rest < 2; rest++) await go(() => device.advance(120_000));
  assert.deepEqual(engine.everything, [], 'no orphan is left');
  assert.deepEqual(device.lastReport('p1'), { uid: 'p1', namespace: 'ns', name: 'p1', removed: true });
  await device.stopAgent();
  return driver.calls;
}

suite('an agent killed at any moment of a pod’s life', () => {
  for (const moment of ['before', 'after'] as const)
    test(`${moment} each thing it does: nothing runs twice, restarts for nothing or is left over`, async () => {
      const calls = await live(Number.POSITIVE_INFINITY, moment);
      assert.ok(calls > 30, `a life of ${calls} calls`);
      for (let killAt = 1; killAt <= calls; killAt++)
        await live(killAt, moment).catch((error: unknown) => {
          throw new Error(`killed ${moment} call ${killAt}`, { cause: error });
        });
    });

  for (const jumpYears of [50, -50])
    test(`whose wall clock jumps by ${jumpYears} years and back at each turn does the same things`, async () => {
      const never = Number.POSITIVE_INFINITY;
      const calls = await live(never, 'after');
      assert.equal(await live(never, 'after', { jumpYears }), calls);
      for (let killAt = 1; killAt <= calls; killAt += 7) await live(killAt, 'after', { jumpYears });
    });
});
