import type { DesiredSet } from '../../../../agent/desired/desired-set.ts';
import { type Journal, openJournal } from '../../../../agent/desired/journal.ts';
import type { PodDevices } from '../../../../agent/devices/pod-devices.ts';
import type { RuntimeDriver } from '../../../../agent/drivers/driver.ts';
import { RuntimeHealth } from '../../../../agent/drivers/runtime-health.ts';
import { PullQueue } from '../../../../agent/images/pull-queue.ts';
import type { StatusOutbox } from '../../../../agent/link/status-outbox.ts';
import { PodRuntime } from '../../../../agent/pods/pod-runtime.ts';
import type { PodVolumes } from '../../../../agent/volumes/pod-volumes.ts';
import { silentLogger } from '../../../../lib/log.ts';
import type { Pod, PodStatus } from '../../../../protocol/generated/models.ts';
import type { PodReport, SetEntry } from '../../../../protocol/topics/sync.ts';
import { MemoryDisk } from '../../../sim/memory-disk.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';
import { FakeEngine } from './fake-engine.ts';

/** A device: engine and disk stay, agents come and go. */
export class Device {
  readonly clock = new ManualClock();
  readonly engine = new FakeEngine(this.clock);
  readonly disk: MemoryDisk;
  readonly desired = new FakeDesiredSet();
  readonly reports: PodReport[] = [];
  readonly events: string[] = [];
  /** What agents see of the engine, where that is not the engine itself. */
  driver: RuntimeDriver = this.engine;
  /** As PlanContext's awaitsImagesUntilMs. */
  heldUntilMs: (pod: Pod) => number | undefined = () => undefined;
  bootId = 'boot-1';
  podsMax = 110;
  journal: Journal | undefined;
  #runtime: PodRuntime | undefined;

  constructor({ disk = new MemoryDisk() }: { disk?: MemoryDisk } = {}) {
    this.disk = disk;
  }

  get runtime(): PodRuntime {
    if (!this.#runtime) throw new Error('no agent runs');
    return this.#runtime;
  }

  async startAgent(): Promise<void> {
    this.journal = await openJournal({ path: '/journal', log: silentLogger, disk: this.disk });
    const outbox: StatusOutbox = {
      reportPod: (report) => this.reports.push(structuredClone(report)),
      reportNode: () => {},
      reportEvent: ({ reason, message }) => this.events.push(`${reason}: ${message}`),
    };
    const { driver, clock } = this;
    const probe = await driver.probe();
    this.#runtime = new PodRuntime({
      clock,
      log: silentLogger,
      journal: this.journal,
      desired: this.desired,
      outbox,
      volumes: noVolumes,
      devices: noDevices,
      drivers: [{ driver, probe, health: new RuntimeHealth({ driver, probe, clock, log: silentLogger }) }],
      images: {
        clock: this.clock,
        queue: new PullQueue(2),
        secret: (namespace, name) => this.desired.entries.get(`Secret/${namespace}/${name}`)?.object,
        announce: (uid, announcement) => outbox.reportEvent({ uid, ...announcement }),
      },
      awaitsImagesUntilMs: (pod) => this.heldUntilMs(pod),
      node: {
        name: 'node1',
        hostname: 'node1',
        bootId: this.bootId,
        apiServer: () => undefined,
        hostIps: () => ['10.0.0.1'],
        allocatable: () => ({
          cpuMillis: 4000,
          memoryBytes: 2 ** 30,
          ephemeralStorageBytes: 2 ** 34,
          pods: this.podsMax,
        }),
      },
    });
    this.#runtime.start();
    await this.quiet();
  }

  async stopAgent(): Promise<void> {
    await this.runtime.stop();
    this.#runtime = undefined;
  }

  /** As by kill -9: nothing more of the old agent reaches the engine's hints, the disk or the reports. */
  async killAgent(): Promise<void> {
    const dead = this.runtime;
    this.#runtime = undefined;
    await this.journal?.[Symbol.asyncDispose]();
    await dead.stop();
    await settle();
  }

  async want(...pods: Pod[]): Promise<void> {
    this.desired.put(
      ...pods.map((pod) => ({ key: `Pod/${pod.metadata?.uid ?? ''}`, digest: '', object: { ...pod } })),
    );
    await this.quiet();
  }

  async unwant(uid: string): Promise<void> {
    this.desired.remove(`Pod/${uid}`);
    await this.quiet();
  }

  /** Lets everything happen that needs no time to pass. */
  async quiet(): Promise<void> {
    for (let idle = 0, before = this.#mark(); idle < 3; before = this.#mark()) {
      await this.#runtime?.idle();
      await settle();
      idle = before === this.#mark() ? idle + 1 : 0;
    }
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await this.quiet();
  }

  lastReport(uid: string): PodReport | undefined {
    return this.reports.findLast((report) => report.uid === uid);
  }

  status(uid: string): PodStatus {
    return this.lastReport(uid)?.status ?? {};
  }

  restartCount(uid: string): number | undefined {
    return this.status(uid).containerStatuses?.[0]?.restartCount;
  }

  #mark(): string {
    return `${this.engine.calls.length} ${this.reports.length} ${this.journal?.bytesWritten ?? 0}`;
  }
}

const noDevices: PodDevices = {
  prepare: async () => ({ devices: [], environment: {}, groups: [], bound: {}, uses: {} }),
  nodesOf: () => undefined,
};

const noVolumes: PodVolumes = {
  hasFile: async () => undefined,
  readFile: async () => undefined,
  inputs: () => '',
  concerns: () => false,
  prepare: async () => {},
  mounts: async () => [],
  blockDevices: () => [],
  remove: async () => {},
  sweep: async () => {},
};

class FakeDesiredSet implements DesiredSet {
  readonly epoch = 'e1';
  readonly revision = 1;
  readonly hash = '';
  readonly entries = new Map<string, SetEntry>();
  readonly #handlers = new Set<(keys: ReadonlySet<string>) => void>();

  onChange(handler: (keys: ReadonlySet<string>) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => this.#handlers.delete(handler) };
  }

  put(...entries: SetEntry[]): void {
    for (const entry of entries) this.entries.set(entry.key, entry);
    this.#announce(entries.map(({ key }) => key));
  }

  remove(key: string): void {
    this.entries.delete(key);
    this.#announce([key]);
  }

  #announce(keys: string[]): void {
    for (const handler of this.#handlers) handler(new Set(keys));
  }
}
