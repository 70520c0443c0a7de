import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { openDesiredSet } from '../../../agent/desired/desired-set.ts';
import { openJournal } from '../../../agent/desired/journal.ts';
import type { ContainerHandle, SandboxHandle } from '../../../agent/drivers/driver.ts';
import { parsePodRecord } from '../../../agent/pods/pod-record.ts';
import { openRuntimes } from '../../../agent/runtimes.ts';
import { silentLogger } from '../../../lib/log.ts';
import { seededRandom } from '../../../lib/random.ts';
import type { Pod } from '../../../protocol/generated/models.ts';
import { MemoryDisk } from '../../sim/memory-disk.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { Device } from './pods/device.ts';
import { FakeEngine } from './pods/fake-engine.ts';

/**
 * The journal of an agent of an earlier day, recorded when it was killed: one pod that runs, one whose container had
 * crashed once and runs, one that has ended. Never made anew: a later recording would be of a later agent.
 */
async function recorded() {
  const bytes = await readFile(join(import.meta.dirname, 'recorded/journal-of-2026-11-20'));
  const disk = new MemoryDisk();
  await disk.replace('/journal', bytes);
  const open = () => openJournal({ path: '/journal', log: silentLogger, disk });
  await using journal = await open();
  const random = seededRandom(1);
  const { entries } = openDesiredSet({ journal, log: silentLogger, random });
  const pods = [...entries.values()].map(({ object }) => object as Pod);
  const records = ['steady-uid', 'crashed-uid', 'ended-uid'].map((uid) => {
    const record = parsePodRecord(journal.entries.get(`pod/${uid}`));
    assert.ok(record, `the record of ${uid} is read`);
    return record;
  });
  return { disk, open, pods, records };
}

/** Names things as the driver of the recorded agent did. */
class NamingEngine extends FakeEngine {
  override async list() {
    const { sandboxes, containers } = await super.list();
    return {
      sandboxes: sandboxes.map((handle) => ({ ...handle, id: handle.podUid })),
      containers: containers.map((handle) => ({ ...handle, id: handle.id.replace(/-app-/, '/app/') })),
    };
  }

  override inspect(handle: ContainerHandle) {
    return super.inspect({ ...handle, id: handle.id.replaceAll('/', '-') });
  }

  override inspectSandbox(handle: SandboxHandle) {
    return super.inspectSandbox({ ...handle, id: `sandbox-${handle.podUid}` });
  }
}

suite('an agent that takes the place of an earlier one', () => {
  test('adopts what that one ran: nothing starts, stops or is forgotten', async () => {
    const { disk, pods, records } = await recorded();
    const device = new Device({ disk });
    const engine = new NamingEngine(device.clock, 'process');
    device.driver = engine;
    device.bootId = records[0]?.bootId ?? '';
    for (const { uid, namespace, name, containers } of records) {
      await engine.createSandbox({ ...sandbox, podUid: uid, namespace, name });
      const { handle } = containers['app'] ?? assert.fail();
      for (let attempt = 0; attempt <= handle.attempt; attempt++) {
        const made = await engine.create({ ...spec, podUid: uid, namespace, pod: name, attempt });
        await engine.start(made);
        if (attempt < handle.attempt || name === 'ended') engine.exit(made.id, name === 'ended' ? 0 : 3);
      }
    }
    const running = engine.running.toSorted();
    engine.calls.length = 0;
    device.desired.put(
      ...pods.map((pod) => ({ key: `Pod/${pod.metadata?.uid}`, digest: '', object: { ...pod } })),
    );
    await device.startAgent();
    await device.advance(10 * 60_000);
    assert.deepEqual(engine.running.toSorted(), running);
    const changes = engine.calls.filter((call) => !/^(list|inspect)/.test(call));
    assert.deepEqual(changes, ['stopSandbox ended-uid'], 'what an ended pod holds is given up');
    assert.deepEqual(
      ['steady-uid', 'crashed-uid', 'ended-uid'].map((uid) => [
        device.status(uid).phase,
        device.restartCount(uid),
      ]),
      [
        ['Running', 0],
        ['Running', 1],
        ['Succeeded', 0],
      ],
    );
    await device.stopAgent();
  });

  test('knows the runtimes that one had, although they are silent at first', async () => {
    const { open } = await recorded();
    await using journal = await open();
    const definition = (name: string, available: boolean) => ({
      name,
      open: ({ clock }: { clock: ManualClock | object }) => {
        const driver = new FakeEngine(clock as ManualClock, name);
        return Object.assign(driver, {
          probe: async () => ({ available, message: `${name} is away`, version: `${name}://1` }),
        });
      },
    });
    const base = {
      dataDir: '/nowhere',
      cluster: 'test',
      clock: new ManualClock(),
      log: silentLogger,
      journal,
    };
    const driverDefinitions = [definition('process', false), definition('other', true)];
    using runtimes = await openRuntimes({ ...base, runtime: 'auto', driverDefinitions });
    assert.deepEqual(
      runtimes.drivers.map(({ driver }) => driver.name),
      ['process', 'other'],
    );
    assert.equal(runtimes.problem, 'container runtime is down: process: process is away');
  });
});

const sandbox = { hostname: 'x', hostNetwork: true, ports: [], labels: {} };
const spec = {
  container: 'app',
  image: 'host',
  command: [],
  args: [],
  workingDir: undefined,
  environment: {},
  mounts: [],
  security: {},
  resources: { cpuLimitMillis: undefined, cpuRequestMillis: undefined, memoryLimitBytes: undefined },
  tty: false,
  stdin: false,
};
