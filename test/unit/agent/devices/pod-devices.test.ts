import assert from 'node:assert/strict';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import type { FoundDevice } from '../../../../agent/devices/found-device.ts';
import { createPodDevices, wantedDevices } from '../../../../agent/devices/pod-devices.ts';
import type { ContainerSecurity } from '../../../../agent/drivers/driver.ts';
import type { Container, Pod } from '../../../../protocol/generated/models.ts';
import type { SetEntry } from '../../../../protocol/topics/sync.ts';

const uid = 'pod-1';
const pod: Pod = {
  metadata: { uid, name: 'reader', namespace: 'default' },
  spec: { containers: [], resourceClaims: [{ name: 'port', resourceClaimName: 'mine' }] },
};
const container: Container = { name: 'main', resources: { claims: [{ name: 'port' }] } };

interface ClaimFacts {
  users?: readonly string[];
  pool?: string;
  allocated?: boolean;
}

suite('what a container is given', () => {
  let folder = '';
  let devices: FoundDevice[] = [];
  let looks = 0;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flotilla-devices-'));
    await writeFile(join(folder, 'ttyUSB0'), '', { mode: 0o660 });
    devices = [{ kind: 'serial', name: 'adapter', attributes: {}, nodes: ['/dev/ttyUSB0'] }];
    looks = 0;
  });
  afterEach(() => rm(folder, { recursive: true }));

  const prepare = (
    claim: ClaimFacts | undefined,
    { security = {}, seesHost = false }: { security?: ContainerSecurity; seesHost?: boolean } = {},
  ) => {
    const wanted = wantedDevices(pod, container);
    assert.ok(wanted);
    const made = createPodDevices({
      nodeName: 'pi',
      monitor: {
        devices,
        find: (kind, name) => devices.find((one) => one.kind === kind && one.name === name),
        look: async () => void (looks += 1),
      },
      files: { onHost: (path) => join(folder, path.replace('/dev/', '')), resolve: async (path) => path },
      desired: { entries: new Map(claim ? [['ResourceClaim/default/mine', claimEntry(claim)]] : []) },
    });
    return made.prepare(uid, wanted, { security, seesHost });
  };

  test('its device under the usual name, and a variable that tells it', async () => {
    const prepared = await prepare({});
    assert.deepEqual(prepared, {
      devices: [{ source: join(folder, 'ttyUSB0'), target: '/dev/ttyUSB0' }],
      environment: { FLOTILLA_DEVICE_PORT: '/dev/ttyUSB0' },
      groups: [],
      bound: { 'serial/adapter': '/dev/ttyUSB0' },
      uses: { 'claim:port/serial': ['serial/adapter'] },
    });
  });

  test("a process of the host gets the host's own file", async () => {
    const { devices: brought, environment } = await prepare({}, { seesHost: true });
    assert.deepEqual(brought, []);
    assert.deepEqual(environment, { FLOTILLA_DEVICE_PORT: join(folder, 'ttyUSB0') });
  });

  const refusals: [what: string, claim: ClaimFacts | undefined, words: RegExp][] = [
    ['a claim that this node has not heard of', undefined, /"port" is not known to this node yet/],
    ['a claim without devices', { allocated: false }, /default\/mine has no devices allocated/],
    ['a claim that is reserved for others', { users: ['pod-2'] }, /not reserved for this pod/],
    ["another node's device", { pool: 'other' }, /not of this node/],
  ];
  for (const [what, claim, words] of refusals) {
    test(`${what} gives nothing`, () => assert.rejects(prepare(claim), words));
  }

  test('a device that is not there is looked for before that is said', async () => {
    devices = [];
    await assert.rejects(
      prepare({}),
      /device adapter \(serial\) of ResourceClaim default\/mine is not there/,
    );
    assert.equal(looks, 1);
  });

  test("a user other than root joins the device's group, or is refused with what to do", async (context) => {
    if (process.getuid?.() !== 0) return context.skip('only root can give files away');
    await chmod(join(folder, 'ttyUSB0'), 0o660);
    await chown(join(folder, 'ttyUSB0'), 0, 20);
    assert.deepEqual((await prepare({}, { security: { user: 1000 } })).groups, [20]);
    await chown(join(folder, 'ttyUSB0'), 0, 0);
    await assert.rejects(prepare({}, { security: { user: 1000 } }), /user 1000 may not open .*udev rule/);
    await chmod(join(folder, 'ttyUSB0'), 0o666);
    assert.deepEqual((await prepare({}, { security: { user: 1000 } })).groups, []);
  });

  test('one that asks for nothing gets nothing', () => {
    assert.equal(wantedDevices(pod, { name: 'other' }), undefined);
  });
});

function claimEntry({ users = [uid], pool = 'pi', allocated = true }: ClaimFacts): SetEntry {
  const results = [{ request: 'serial', driver: 'serial.flotilla.dev', pool, device: 'adapter' }];
  const allocation = allocated ? { allocation: { devices: { results } } } : {};
  const reservedFor = users.map((one) => ({ uid: one }));
  return {
    key: 'ResourceClaim/default/mine',
    digest: '0',
    object: { status: { ...allocation, reservedFor } },
  };
}
