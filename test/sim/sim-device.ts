import assert from 'node:assert/strict';
import { type BootCounter, countBoot } from '../../agent/desired/boot-counter.ts';
import { openDesiredSet, type WritableDesiredSet } from '../../agent/desired/desired-set.ts';
import { openJournal } from '../../agent/desired/journal.ts';
import { type Sync, startSync } from '../../agent/link/sync.ts';
import type { Clock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { type Random, uuid } from '../../lib/random.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import type { Message, TopicDefinition } from '../../protocol/topics/define-topic.ts';
import { ack, type NodeReport, status } from '../../protocol/topics/sync.ts';
import type { LossyNetwork, SimLink } from './lossy-network.ts';
import { MemoryDisk } from './memory-disk.ts';

export interface DeviceOptions {
  name: string;
  clock: Clock;
  random: Random;
  network: LossyNetwork;
  /** Called after every change with what the device holds. */
  onHeld: (device: SimDevice) => void;
  /** Epoch of the store as it is now; the device itself cannot see it. */
  storeEpoch: () => string;
  /** The server acknowledged number `n` of a pod's status, which was sent while the store had this epoch. */
  onAcknowledged: (device: SimDevice, epoch: string, uid: string, n: number) => void;
}

interface Life {
  link: SimLink;
  desired: WritableDesiredSet;
  boots: BootCounter;
  sync: Sync;
}

const path = '/desired';

/** A device with the real journal, desired set and sync, and pods that do nothing but change their status. */
export class SimDevice {
  readonly name: string;
  readonly #options: DeviceOptions;
  #disk = new MemoryDisk();
  #life: Life | undefined;
  #bootId: string;
  /** Pods that were torn down; a real agent knows it from its runtime and its own checkpoint. */
  readonly tornDown = new Set<string>();
  /** Number of the last status of each pod; grows for ever, so that one that goes back is seen. */
  readonly reported = new Map<string, number>();
  /** By status sequence number of this life: which numbers travelled in it. */
  #sent = new Map<string, { epoch: string; numbers: [uid: string, n: number][] }>();
  #statusCount = 0;

  constructor(options: DeviceOptions) {
    this.name = options.name;
    this.#options = options;
    this.#bootId = uuid(options.random);
  }

  get desired(): WritableDesiredSet | undefined {
    return this.#life?.desired;
  }

  get unacknowledged(): number {
    return this.#life?.sync.unacknowledged ?? 0;
  }

  async start(): Promise<void> {
    const { clock, random, network } = this.#options;
    const log = silentLogger;
    const journal = await openJournal({ path, log, disk: this.#disk });
    const desired = openDesiredSet({ journal, log, random });
    const boots = await countBoot(journal, log);
    const link = network.openLink(this.name, boots.boot * 1_000_000);
    link.onSend = (topic, message) => this.#onSend(topic, message);
    const sync = startSync({
      link,
      desired,
      boots,
      clock,
      random,
      log,
      bootId: this.#bootId,
      agentVersion: '0.0.0',
      clockTrusted: () => true,
    });
    this.#life = { link, desired, boots, sync };
    this.#sent = new Map();
    link.on(ack, (message) => this.#onAck(message));
    desired.onChange((keys) => this.#onChange(desired, keys));
    sync.outbox.reportNode(nodeReport(this.name));
    this.#options.onHeld(this);
    for (const key of desired.entries.keys()) this.#work(key);
  }

  /** Power off, now. */
  crash(): void {
    if (!this.#life) return;
    this.#life.link.disconnect();
    this.#life.sync[Symbol.dispose]();
    this.#life = undefined;
    this.#disk = this.#disk.crash(this.#options.random);
    if (this.#options.random.fraction() < 0.5) this.#bootId = uuid(this.#options.random);
  }

  connect(): void {
    this.#life?.link.connect();
  }

  disconnect(): void {
    this.#life?.link.disconnect();
  }

  /** A pod does something worth telling. */
  stir(): void {
    const running = this.#pods().filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
    const pod = running[Math.floor(this.#options.random.fraction() * running.length)];
    if (pod) this.#report(pod);
  }

  setDiskFull(full: boolean): void {
    this.#disk.capacityBytes = full ? this.#disk.usedBytes + 100 : Number.POSITIVE_INFINITY;
  }

  #pods(): Pod[] {
    const entries = this.#life?.desired.entries.values().toArray() ?? [];
    return entries.filter(({ key }) => key.startsWith('Pod/')).map(({ object }) => object as unknown as Pod);
  }

  #onChange(desired: WritableDesiredSet, keys: ReadonlySet<string>): void {
    if (desired !== this.#life?.desired) return;
    this.#options.onHeld(this);
    for (const key of keys) this.#work(key);
  }

  /** What the pod worker of an agent does, in outline: one step after a while, and only in this life. */
  #work(key: string): void {
    const life = this.#life;
    if (!key.startsWith('Pod/')) return;
    const { clock, random } = this.#options;
    clock.after(Math.floor(random.fraction() * 300), () => {
      if (this.#life === life) this.#step(key);
    });
  }

  #step(key: string): void {
    const uid = key.slice('Pod/'.length);
    const life = this.#life;
    const pod = life?.desired.entries.get(key)?.object as unknown as Pod | undefined;
    if (!pod) {
      this.tornDown.add(uid);
      life?.sync.outbox.reportPod({ uid, namespace: 'default', name: `pod-${uid}`, removed: true });
    } else if (this.tornDown.has(uid) || pod.metadata?.deletionTimestamp) {
      this.tornDown.add(uid);
      life?.sync.outbox.reportPod({ ...identity(pod), removed: true });
    } else if (pod.metadata?.labels?.refuse === this.name) {
      const refused = { reason: 'OutOfcpu', message: 'too small' };
      life?.sync.outbox.reportPod({ ...identity(pod), refused });
    } else {
      this.#report(pod);
    }
  }

  #report(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    if (this.tornDown.has(uid) || pod.metadata?.labels?.refuse === this.name) return;
    this.#statusCount += 1;
    this.reported.set(uid, this.#statusCount);
    this.#life?.sync.outbox.reportPod({
      ...identity(pod),
      status: { phase: 'Running', message: String(this.#statusCount) },
    });
  }

  #onSend(topic: TopicDefinition, message: Message<TopicDefinition>): void {
    if (topic !== status) return;
    const { session, boot, seq, pods } = message as Message<typeof status>;
    const numbers = pods
      .filter((report) => report.status)
      .map(({ uid, status: sent }): [string, number] => [uid, Number(sent?.message)]);
    this.#sent.set(`${session}/${boot}/${seq}`, { epoch: this.#options.storeEpoch(), numbers });
  }

  #onAck(message: Message<typeof ack>): void {
    if (message.type !== 'status') return;
    const sent = this.#sent.get(`${message.session}/${message.boot}/${message.seq}`);
    for (const [uid, n] of sent?.numbers ?? []) this.#options.onAcknowledged(this, sent?.epoch ?? '', uid, n);
  }
}

function identity(pod: Pod): { uid: string; namespace: string; name: string } {
  const { uid = '', namespace = '', name = '' } = pod.metadata ?? {};
  assert.ok(uid !== '' && name !== '');
  return { uid, namespace, name };
}

function nodeReport(name: string): NodeReport {
  return {
    capacity: { cpu: '4' },
    allocatable: { cpu: '4' },
    addresses: [],
    nodeInfo: {},
    labels: { 'kubernetes.io/hostname': name },
    conditions: [],
    runtimes: ['process'],
  };
}
