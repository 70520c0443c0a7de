import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { type Random, uuid } from '../../lib/random.ts';
import type { Message } from '../../protocol/topics/define-topic.ts';
import { measure, measuredPodsMax, usage } from '../../protocol/topics/usage.ts';
import type { Bus } from '../bus/bus.ts';

/** What devices and their pods use now, asked of the devices when somebody wants to know (docs/decisions/0200). */
export interface FleetUsage {
  /**
   * By node name the uids of the pods that matter there. Whoever is not connected or does not answer in time is
   * missing from the answer; never rejects.
   */
  read(wanted: ReadonlyMap<string, readonly string[]>): Promise<ReadonlyMap<string, NodeUsage>>;
}

export interface Figures {
  cpuNanocores: number;
  /** Working set. */
  memoryBytes: number;
}

export interface NodeUsage {
  /** The end of the window by this server's clock, since 1970. */
  measuredAtMs: number;
  windowMs: number;
  /** Undefined where the device cannot tell. */
  node: Figures | undefined;
  /** By uid, then by container. At least those that were asked for. */
  pods: ReadonlyMap<string, ReadonlyMap<string, Figures>>;
}

export interface FleetUsageOptions {
  bus: Bus;
  clock: Clock;
  random: Random;
  log: Logger;
  questionsMax?: number;
}

/** A little less than the 15 s in which autoscalers and dashboards ask. */
const freshForMs = 14_000;
/** A device that was not asked before takes a second to measure. */
const answerTimeoutMs = 8_000;
/** Questions that may be under way; a fleet is asked in turns, so that it does not answer in one burst. */
const questionsMaxDefault = 512;

interface Remembered {
  usage: NodeUsage;
  /** Uids it was asked for; undefined: all. */
  pods: ReadonlySet<string> | undefined;
  /** Monotonic. */
  atMs: number;
}

interface Question {
  node: string;
  pods: ReadonlySet<string> | undefined;
  answer: Promise<NodeUsage | undefined>;
  resolve: (usage: NodeUsage | undefined) => void;
}

export function createFleetUsage(options: FleetUsageOptions): FleetUsage & Disposable {
  return new UsageQuestions(options);
}

class UsageQuestions implements FleetUsage {
  readonly #options: FleetUsageOptions;
  readonly #remembered = new Map<string, Remembered>();
  readonly #questions = new Map<string, Question>();
  readonly #questionsTo = new Map<string, Set<Question>>();
  readonly #subscriptions: Disposable[];
  readonly #turns: (() => void)[] = [];

  constructor(options: FleetUsageOptions) {
    this.#options = options;
    this.#subscriptions = [
      options.bus.subscribe(usage, (message, { node }) => this.#receive(node ?? '', message)),
      options.bus.onPresence(({ node, connected }) => {
        if (!connected) this.#forget(node);
      }),
    ];
  }

  async read(wanted: ReadonlyMap<string, readonly string[]>): Promise<ReadonlyMap<string, NodeUsage>> {
    const connected = new Set(this.#options.bus.connectedNodes());
    const reachable = [...wanted].filter(([node]) => connected.has(node));
    const answers = await Promise.all(
      reachable.map(async ([node, uids]) => [node, await this.#readNode(node, new Set(uids))] as const),
    );
    return new Map(answers.flatMap(([node, found]) => (found ? [[node, found] as const] : [])));
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    for (const { resolve } of this.#questions.values()) resolve(undefined);
  }

  async #readNode(node: string, pods: ReadonlySet<string>): Promise<NodeUsage | undefined> {
    const known = this.#freshOf(node, pods);
    if (known) return known;
    const underWay = [...(this.#questionsTo.get(node) ?? [])].find((asked) => covers(asked.pods, pods));
    if (underWay) return underWay.answer;
    const { questionsMax = questionsMaxDefault } = this.#options;
    while (this.#questions.size >= questionsMax)
      await new Promise<void>((resolve) => this.#turns.push(resolve));
    return this.#freshOf(node, pods) ?? this.#ask(node, pods);
  }

  #freshOf(node: string, pods: ReadonlySet<string>): NodeUsage | undefined {
    const known = this.#remembered.get(node);
    if (!known) return undefined;
    if (this.#options.clock.monotonic() - known.atMs >= freshForMs) return undefined;
    return covers(known.pods, pods) ? known.usage : undefined;
  }

  /** Asks also for what others lately wanted of the node, so that two askers do not push each other out. */
  async #ask(node: string, wanted: ReadonlySet<string>): Promise<NodeUsage | undefined> {
    const { bus, clock, random, log } = this.#options;
    const before = this.#remembered.get(node);
    const lately =
      before && clock.monotonic() - before.atMs < 2 * freshForMs ? before.pods : new Set<string>();
    const all = lately === undefined || wanted.size + lately.size > measuredPodsMax;
    const pods = all ? undefined : wanted.union(lately);
    const id = uuid(random);
    const { promise: answer, resolve } = Promise.withResolvers<NodeUsage | undefined>();
    const question: Question = { node, pods, answer, resolve };
    const here = this.#questionsTo.get(node) ?? new Set();
    this.#questionsTo.set(node, here.add(question));
    this.#questions.set(id, question);
    const timer = clock.after(answerTimeoutMs, () => resolve(undefined), { unref: true });
    bus.publish(measure, { node }, { id, ...(pods ? { pods: [...pods] } : {}) }).catch((error: unknown) => {
      log.warn('usage not asked for', { node, error });
      resolve(undefined);
    });
    const found = await answer;
    timer.cancel();
    this.#questions.delete(id);
    here.delete(question);
    if (here.size === 0) this.#questionsTo.delete(node);
    this.#turns.shift()?.();
    return found;
  }

  #receive(node: string, message: Message<typeof usage>): void {
    const question = this.#questions.get(message.id);
    if (question?.node !== node) return;
    const { clock } = this.#options;
    const found: NodeUsage = {
      measuredAtMs: clock.now() - message.ageMs,
      windowMs: message.windowMs,
      node: message.node && figures(message.node),
      pods: new Map(
        Object.entries(message.pods).map(([uid, containers]) => [
          uid,
          new Map(Object.entries(containers).map(([name, pair]) => [name, figures(pair)])),
        ]),
      ),
    };
    this.#remembered.set(node, { usage: found, pods: question.pods, atMs: clock.monotonic() });
    question.resolve(found);
  }

  #forget(node: string): void {
    this.#remembered.delete(node);
    for (const question of this.#questionsTo.get(node) ?? []) question.resolve(undefined);
  }
}

function covers(asked: ReadonlySet<string> | undefined, wanted: ReadonlySet<string>): boolean {
  return asked === undefined || wanted.isSubsetOf(asked);
}

function figures([cpuNanocores, memoryBytes]: readonly [number, number]): Figures {
  return { cpuNanocores, memoryBytes };
}
