import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { createHollowDriver, createHollowHost } from '../../../agent/drivers/hollow-driver.ts';
import type { DriverDefinition } from '../../../agent/drivers/registry.ts';
import { type AgentDependencies, startAgent } from '../../../agent/main.ts';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { systemRandom } from '../../../lib/random.ts';
import type { Pod } from '../../../protocol/generated/models.ts';
import { DeadLink } from '../../support/dead-link.ts';
import { desire } from '../../support/desire.ts';
import { eventually } from '../../support/eventually.ts';
import { ManualClock } from '../../support/manual-clock.ts';

async function device(context: TestContext) {
  const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-'));
  context.after(() => rm(dataDir, { recursive: true, force: true }));
  const host = createHollowHost();
  const definition = (name: string): DriverDefinition => ({
    name,
    open: ({ clock }) => createHollowDriver({ clock, host, name }),
  });
  const links: DeadLink[] = [];
  const numbers: number[] = [];
  const dependencies: AgentDependencies = {
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    version: 'v0.0.0',
    identify: async () => ({
      cluster: 'test',
      openLink: ({ connectionsBefore }) => {
        const link = new DeadLink();
        links.push(link);
        numbers.push(connectionsBefore);
        return link;
      },
    }),
    driverDefinitions: [definition('hollow')],
  };
  const config = { dataDir, name: 'node1', server: { host: '127.0.0.1', port: 1 } };
  return {
    dataDir,
    host,
    links,
    numbers,
    definition,
    start: (more: object = {}, changed: object = {}) =>
      startAgent({ ...config, ...changed }, { ...dependencies, ...more }),
  };
}

const pod: Pod = {
  metadata: { name: 'web', namespace: 'ns', uid: 'u1' },
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
};

suite('an agent', () => {
  test('starts what is on disk without a server, and leaves it running when it stops', async (context) => {
    const { dataDir, host, start, links } = await device(context);
    await desire(dataDir, pod);
    const states = () => [...host.containers.values()].map(({ state }) => state.state);
    const agent = await start();
    await eventually(() => states().includes('running'), 'the container runs');
    assert.equal(links[0]?.started, true);
    await agent[Symbol.asyncDispose]();
    assert.deepEqual(states(), ['running']);
    await using again = await start();
    await eventually(() => again.pods.podCount === 1, 'the pod is adopted');
    await again.pods.idle();
    assert.equal(host.containers.size, 1);
  });

  test('stops its workloads when told to, and starts them again next time', async (context) => {
    const { dataDir, host, start } = await device(context);
    await desire(dataDir, pod);
    const running = () => [...host.containers.values()].filter(({ state }) => state.state === 'running');
    const agent = await start({}, { stopWorkloads: true });
    await eventually(() => running().length === 1, 'the container runs');
    await agent[Symbol.asyncDispose]();
    assert.equal(running().length, 0);
    await using _again = await start();
    await eventually(() => running().length === 1, 'the container runs again');
    assert.equal(running()[0]?.spec.attempt, 1);
  });

  test('numbers its connections above those of every earlier start', async (context) => {
    const { start, numbers } = await device(context);
    for (let life = 0; life < 3; life++) await (await start())[Symbol.asyncDispose]();
    assert.deepEqual(numbers, [1_000_000, 2_000_000, 3_000_000]);
  });

  test('lets go of everything when it cannot start', async (context) => {
    const { start } = await device(context);
    const identify = () => Promise.reject(new Error('the token is used'));
    await assert.rejects(start({ identify }), /the token is used/);
    await using _agent = await start();
  });

  test('does not share its folder', async (context) => {
    const { start } = await device(context);
    await using _agent = await start();
    await assert.rejects(start(), { code: 'DataDirInUse' });
  });

  test('without any runtime takes its pods all the same, and runs them when there is one', async (context) => {
    const { dataDir, host, start, definition } = await device(context);
    await desire(dataDir, pod);
    let installed = false;
    const late: DriverDefinition = {
      name: 'late',
      open: (options) => {
        const driver = definition('late').open(options);
        driver.probe = async () => ({ available: installed, message: 'no engine', version: 'late://1' });
        return driver;
      },
    };
    const clock = new ManualClock();
    await using agent = await start({ clock, driverDefinitions: [late] });
    await agent.pods.idle();
    assert.equal(agent.pods.podCount, 0, 'it waits, and is not refused');
    installed = true;
    await clock.advance(60_000);
    const running = () => [...host.containers.values()].some(({ state }) => state.state === 'running');
    await eventually(running, 'the container runs');
  });
});
