import { type Clock, sleep } from '../../../lib/clock.ts';
import type { Pod } from '../../../protocol/generated/models.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { storedMeta, timestamp } from '../../../protocol/kinds/stored-object.ts';
import { StatusError } from '../../../protocol/status.ts';
import type { Registry } from '../../../server/registry/registry.ts';

const startMs = 20;
const stopMs = 10;

/** A container with this image runs and never gets ready. */
export const brokenImage = 'broken';

/**
 * What devices do, without doing it: a bound pod runs and is ready after a moment, a deleted one is confirmed gone.
 * They live on when the control plane does not.
 */
export class HollowKubelets {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #silent = new Set<string>();
  readonly #stop = new AbortController();
  readonly #work = new Set<Promise<void>>();
  /** Whether the node takes the pod; it is given back when not. */
  admits: (node: string, pod: Readonly<Pod>) => boolean = () => true;

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
  }

  start(): void {
    this.#do(this.#follow());
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#work);
  }

  disconnect(node: string): void {
    this.#silent.add(node);
  }

  connect(node: string): void {
    this.#silent.delete(node);
    this.#do(this.#catchUp(node));
  }

  /** Failures mean that the pod changed or went meanwhile, which is heard of anyway. */
  #do(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        if (!(error instanceof StatusError) && !this.#stop.signal.aborted) throw error;
      })
      .finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  async #follow(): Promise<void> {
    for await (const change of this.#registry.watch(podKind, { signal: this.#stop.signal })) {
      if (change.type === 'ADDED' || change.type === 'MODIFIED') this.#do(this.#tend(change.object));
    }
  }

  async #catchUp(node: string): Promise<void> {
    const { items } = await this.#registry.list(podKind, { fieldSelector: `spec.nodeName=${node}` });
    for (const pod of items) this.#do(this.#tend(pod));
  }

  async #tend(pod: Readonly<Pod>): Promise<void> {
    const node = pod.spec?.nodeName;
    if (!node || this.#silent.has(node)) return;
    const { namespace = '', name, uid, deletionTimestamp } = storedMeta(pod);
    const at = { namespace, name };
    await sleep(this.#clock, deletionTimestamp === undefined ? startMs : stopMs, this.#stop.signal);
    if (this.#silent.has(node)) return;
    if (deletionTimestamp !== undefined) {
      const preconditions = { uid };
      await this.#registry.delete(podKind, at, { gracePeriodSeconds: 0, preconditions });
    } else if (!this.admits(node, pod)) {
      await this.#registry.unbind(at, { podUid: uid, node, reason: 'OutOfCpu', message: 'no' });
    } else {
      await this.#run(pod, node);
    }
  }

  async #run(pod: Readonly<Pod>, node: string): Promise<void> {
    const { namespace = '', name, uid } = storedMeta(pod);
    const ready = pod.spec?.containers[0]?.image !== brokenImage;
    const change = (draft: Pod) => {
      if (draft.metadata?.uid !== uid || draft.spec?.nodeName !== node || draft.status?.phase !== 'Pending')
        return;
      const scheduled = (draft.status.conditions ?? []).filter(({ type }) => type === 'PodScheduled');
      const lastTransitionTime = timestamp(this.#clock.now());
      const readiness = { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime };
      const startTime = lastTransitionTime;
      draft.status = { ...draft.status, phase: 'Running', startTime, conditions: [...scheduled, readiness] };
    };
    await this.#registry.mutate(podKind, { namespace, name }, change, { subresource: 'status' });
  }
}
