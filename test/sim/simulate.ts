import assert from 'node:assert/strict';
import { type Random, seededRandom } from '../../lib/random.ts';
import type { Node, Pod } from '../../protocol/generated/models.ts';
import { configMapKind } from '../../protocol/kinds/config-map.ts';
import { namespaceKind } from '../../protocol/kinds/namespace.ts';
import { nodeKind } from '../../protocol/kinds/node.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { secretKind } from '../../protocol/kinds/secret.ts';
import { setHash, sumOf } from '../../protocol/sync-hash.ts';
import { configMapEntry, namedObjects, podEntry, secretEntry } from '../../server/nodes/set-entries.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type Faults, LossyNetwork, perfect } from './lossy-network.ts';
import { SimDevice } from './sim-device.ts';
import { SimServer } from './sim-server.ts';
import { Workload } from './workload.ts';

/**
 * One run of the sync protocol between the real server rooms and real agent rooms, all time and chance from one
 * seed. Faults of every kind for a while, with safety checked at every step; then peace, in which both sides must
 * become equal.
 */
export async function simulate(seed: number, steps = 120): Promise<void> {
  const simulation = new Simulation(seed);
  try {
    await simulation.run(steps);
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

const deviceNames = ['alpha', 'beta', 'gamma'];
const peaceMsMax = 45 * 60_000;
const peaceStepMs = 10_000;

class Simulation {
  readonly #random: Random;
  readonly #clock = new ManualClock();
  readonly #network: LossyNetwork;
  readonly #server: SimServer;
  readonly #devices: SimDevice[];
  readonly #workload: Workload;
  /** Per device: pods it held once and then no longer, in the epoch of the set they left. */
  readonly #left = new Map<string, Set<string>>();
  readonly #heldBefore = new Map<string, { epoch: string; pods: Map<string, Pod> }>();
  readonly #violations: string[] = [];
  /** Highest status number seen in the store, per pod, in this epoch. */
  #stored = new Map<string, number>();
  #acknowledged = new Map<string, number>();

  constructor(seed: number) {
    const random = seededRandom(seed);
    this.#random = random;
    const clock = this.#clock;
    const network = new LossyNetwork({ clock, random, external: random.fraction() < 0.5 });
    this.#network = network;
    this.#server = new SimServer({ clock, random, network });
    this.#devices = deviceNames.map(
      (name) =>
        new SimDevice({
          name,
          clock,
          random,
          network,
          onHeld: (device) => this.#checkHeld(device),
          storeEpoch: () => this.#server.registry.epoch,
          onAcknowledged: (device, epoch, uid, n) => {
            if (epoch === this.#server.registry.epoch) raise(this.#acknowledged, `${uid}/${device.name}`, n);
          },
        }),
    );
    this.#workload = new Workload({ server: this.#server, random, nodes: deviceNames });
  }

  async run(steps: number): Promise<void> {
    await this.#server.registry.create(namespaceKind, { metadata: { name: 'default' } });
    await this.#server.takeBackup();
    await this.#server.start();
    for (const device of this.#devices) {
      await device.start();
      device.connect();
    }
    this.#network.faults = this.#someFaults();
    for (let step = 0; step < steps; step++) {
      await this.#disturb();
      for (let acts = this.#random.fraction() * 4; acts > 0; acts--) await this.#workload.act();
      await this.#clock.advance(Math.floor(this.#random.fraction() * 600));
      await this.#checkStored();
      this.#failOnViolation();
    }
    await this.#makePeace();
    await this.#converge();
  }

  /** Some seeds meet a network that mostly loses, others one that mostly mixes up. */
  #someFaults(): Faults {
    return {
      lossFraction: this.#random.fraction() * 0.6,
      duplicateFraction: this.#random.fraction() * 0.2,
      staleFraction: this.#random.fraction() * 0.4,
      delayMsMax: 10 ** (1 + this.#random.fraction() * 2.5),
    };
  }

  async #disturb(): Promise<void> {
    const device = this.#devices[Math.floor(this.#random.fraction() * this.#devices.length)];
    const chance = this.#random.fraction();
    if (chance < 0.06) device?.disconnect();
    else if (chance < 0.3) device?.connect();
    else if (chance < 0.34) await this.#restartDevice(device);
    else if (chance < 0.36) device?.setDiskFull(true);
    else if (chance < 0.4) device?.setDiskFull(false);
    else if (chance < 0.43) await this.#server.crash();
    else if (chance < 0.6) await this.#server.start();
    else if (chance < 0.63) await this.#server.takeBackup();
    else if (chance < 0.64) await this.#restore();
    else if (chance < 0.76) device?.stir();
    else if (chance < 0.78) this.#server.storeFailing = true;
    else if (chance < 0.9) this.#server.storeFailing = false;
  }

  async #restartDevice(device: SimDevice | undefined): Promise<void> {
    device?.crash();
    device?.setDiskFull(false);
    await device?.start();
  }

  async #restore(): Promise<void> {
    await this.#server.crash();
    this.#server.storeFailing = false;
    await this.#server.restore();
    this.#stored = new Map();
    this.#acknowledged = new Map();
    await this.#server.start();
  }

  async #makePeace(): Promise<void> {
    this.#network.faults = perfect;
    this.#server.storeFailing = false;
    await this.#server.start();
    for (const device of this.#devices) {
      device.setDiskFull(false);
      device.connect();
    }
  }

  async #converge(): Promise<void> {
    let difference = 'nothing ran';
    for (let waitedMs = 0; waitedMs < peaceMsMax; waitedMs += peaceStepMs) {
      for (const device of this.#devices) device.connect();
      await this.#clock.advance(peaceStepMs);
      await this.#checkStored();
      this.#failOnViolation();
      difference = (await this.#difference()) ?? '';
      if (difference === '') return;
    }
    assert.fail(`no agreement after ${peaceMsMax / 60_000} minutes of peace: ${difference}`);
  }

  /** Undefined when every device holds what the store says, and the store knows what every device said. */
  async #difference(): Promise<string | undefined> {
    const { registry } = this.#server;
    const pods = (await registry.list(podKind)).items;
    for (const device of this.#devices) {
      const bound = pods.filter(({ spec }) => spec?.nodeName === device.name);
      const expected = await this.#expectedSet(bound);
      const held = device.desired?.entries ?? new Map();
      const missing = expected.find(({ key, digest }) => held.get(key)?.digest !== digest);
      if (missing) return `${device.name} lacks ${missing.key}`;
      if (held.size !== expected.length)
        return `${device.name} holds ${held.size - expected.length} too many`;
      if (device.desired?.hash !== setHash(sumOf(expected))) return `${device.name} has another hash`;
      if (device.desired.epoch !== registry.epoch && device.desired.epoch !== '') {
        return `${device.name} is in epoch ${device.desired.epoch}`;
      }
      if (device.unacknowledged > 0) return `${device.name} has unacknowledged reports`;
      const wrong = bound.find((pod) => !this.#isSettled(device, pod));
      if (wrong) return `${device.name}: ${JSON.stringify(wrong.metadata)} ${JSON.stringify(wrong.status)}`;
      const node = await registry.get(nodeKind, { name: device.name }).catch(() => undefined);
      if (!isReady(node)) return `${device.name} is not Ready`;
    }
    return undefined;
  }

  #isSettled(device: SimDevice, pod: Pod): boolean {
    const uid = pod.metadata?.uid ?? '';
    if (pod.metadata?.deletionTimestamp !== undefined) return false;
    if (device.tornDown.has(uid)) return pod.status?.phase === 'Failed';
    if (pod.metadata?.labels?.refuse === device.name) return pod.status?.phase === 'Failed';
    return pod.status?.message === String(device.reported.get(uid));
  }

  async #expectedSet(pods: readonly Pod[]) {
    const named = new Set(pods.flatMap((pod) => [...namedObjects(pod)]));
    const configMaps = (await this.#server.registry.list(configMapKind)).items.map(configMapEntry);
    const secrets = (await this.#server.registry.list(secretKind)).items.map(secretEntry);
    return [...pods.map(podEntry), ...[...configMaps, ...secrets].filter(({ key }) => named.has(key))];
  }

  /** What must hold of a device's set at every moment. */
  #checkHeld(device: SimDevice): void {
    const { desired, name } = device;
    if (!desired) return;
    const pods = new Map<string, Pod>();
    const named = new Set<string>();
    for (const { key, object } of desired.entries.values()) {
      if (!key.startsWith('Pod/')) continue;
      const pod = object as unknown as Pod;
      pods.set(pod.metadata?.uid ?? '', pod);
      for (const other of namedObjects(pod)) named.add(other);
    }
    const before = this.#heldBefore.get(name);
    this.#heldBefore.set(name, { epoch: desired.epoch, pods });
    for (const key of desired.entries.keys()) {
      if (!key.startsWith('Pod/') && !named.has(key))
        this.#violate(`${name} holds ${key}, which no pod names`);
    }
    const left = this.#leftSet(name, desired.epoch);
    for (const [uid, pod] of pods) {
      if (!this.#workload.wasBound(uid, name)) this.#violate(`${name} holds ${uid}, never bound to it`);
      // A pod that this device refused may be bound to it again: nothing of it ever ran.
      if (left.has(uid) && pod.metadata?.labels?.refuse !== name)
        this.#violate(`${uid} came back to ${name}`);
      const old = before?.epoch === desired.epoch ? before.pods.get(uid) : undefined;
      if (old?.metadata?.deletionTimestamp && !pod.metadata?.deletionTimestamp) {
        this.#violate(`the deletion of ${uid} was overtaken`);
      }
    }
    if (before?.epoch !== desired.epoch) return;
    for (const uid of before.pods.keys()) if (!pods.has(uid)) left.add(uid);
  }

  #leftSet(name: string, epoch: string): Set<string> {
    const key = `${name}/${epoch}`;
    const left = this.#left.get(key) ?? new Set();
    this.#left.set(key, left);
    return left;
  }

  /** A stored status never goes back, and one that was acknowledged is there. */
  async #checkStored(): Promise<void> {
    for (const pod of (await this.#server.registry.list(podKind)).items) {
      const uid = pod.metadata?.uid ?? '';
      const n = Number(pod.status?.message);
      if (pod.status?.phase !== 'Running' || Number.isNaN(n)) continue;
      if (n < (this.#stored.get(uid) ?? 0)) this.#violate(`status of ${uid} went back to ${n}`);
      if (n < (this.#acknowledged.get(uid) ?? 0))
        this.#violate(`acknowledged status of ${uid} is not stored`);
      this.#stored.set(uid, n);
    }
  }

  #violate(what: string): void {
    this.#violations.push(what);
  }

  #failOnViolation(): void {
    assert.deepEqual(this.#violations, []);
  }
}

function raise(highest: Map<string, number>, key: string, n: number): void {
  highest.set(key, Math.max(n, highest.get(key) ?? 0));
}

function isReady(node: Node | undefined): boolean {
  return node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}
