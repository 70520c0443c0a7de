import type { Timer } from '../../lib/clock.ts';
import type {
  ConfigMap,
  DaemonSet,
  Deployment,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ResourceResourceClaim,
  ResourceSlice,
  Secret,
  Service,
  StatefulSet,
} from '../../protocol/generated/models.ts';
import { nodeKind } from '../../protocol/kinds/node.ts';
import type { Message, TopicDefinition } from '../../protocol/topics/define-topic.ts';
import {
  ack,
  digestTopic,
  gone,
  hello,
  index,
  type NodeReport,
  roll,
  status,
} from '../../protocol/topics/sync.ts';
import type { Presence } from '../bus/bus.ts';
import type { Informer } from '../cache/informer.ts';
import type { EventRecorder } from '../registry/event-recorder.ts';
import { judgeHello, judgeStatus, type NodeSession } from './node-sessions.ts';
import { type NodeSets, trackNodeSets } from './node-sets.ts';
import { type NodeFacts, reportAnnotation, writeNode } from './node-writer.ts';
import { createSetFeed, type SetFeed } from './set-feed.ts';
import { writeSlices } from './slice-writer.ts';
import type { NodesOptions } from './start-nodes.ts';
import { createStatusInbox, type StatusInbox } from './status-inbox.ts';

interface FleetOptions extends NodesOptions {
  pods: Informer<Pod>;
  nodes: Informer<Node>;
  configMaps: Informer<ConfigMap>;
  secrets: Informer<Secret>;
  claims: Informer<PersistentVolumeClaim>;
  volumes: Informer<PersistentVolume>;
  slices: Informer<ResourceSlice>;
  resourceClaims: Informer<ResourceResourceClaim>;
  services: Informer<Service>;
  deployments: Informer<Deployment>;
  daemonSets: Informer<DaemonSet>;
  statefulSets: Informer<StatefulSet>;
  events: EventRecorder;
}

/** A link that is back within this was not gone: mobile devices blink. */
const disconnectGraceMs = 3_000;
/** The whole fleet greets within this much per device, so that a restarted server is not run over. */
const rollMsPerNode = 3;
const rollWindowMinMs = 500;
const rollWindowMaxMs = 60_000;
/** Devices that have not greeted this long after their window are taken for gone. */
const rollPatienceMs = 30_000;
const greetEveryMs = 2_000;
const sessionBytes = 8;

/** Routes what devices say to their sessions, and tells devices what their sets ask for. */
export class FleetSessions {
  readonly #options: FleetOptions;
  /** Names this run of the server: what was meant for another one does not count. */
  readonly #session: string;
  readonly #sessions = new Map<string, NodeSession>();
  readonly #greeted = new Map<string, number>();
  readonly #subscriptions = new DisposableStack();
  readonly #sets: NodeSets;
  readonly #inbox: StatusInbox;
  /** Nodes whose disconnect waits for being true, with the time when it is; a sign of life clears it. */
  readonly #suspects = new Map<string, number>();
  #suspectTimer: Timer | undefined;
  #started = false;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#session = Buffer.from(options.random.bytes(sessionBytes)).toString('hex');
    const { registry, events, clock, log, pods, nodes } = options;
    this.#sets = trackNodeSets({
      ...options,
      firstRevision: () => Number(registry.resourceVersion),
      onDirty: (node) => this.#onDirty(node),
    });
    this.#inbox = createStatusInbox({
      registry,
      events,
      clock,
      log,
      factsOf: (node) => this.#factsOf(node),
      writeNode: (node, facts, report) => this.#writeNode(node, facts, report),
      node: (name) => nodes.get(undefined, name),
      boundPod: (node, uid) => {
        const pod = pods.getByUid(uid);
        return pod?.spec?.nodeName === node ? pod : undefined;
      },
      acknowledge: (node, { boot, seq }) =>
        this.#publish(node, ack, { type: 'status', session: this.#session, boot, seq }),
    });
  }

  start(): void {
    const { bus, nodes } = this.#options;
    const own = this.#subscriptions;
    this.#started = true;
    this.#listen(hello, (node, message) => this.#onHello(node, message));
    this.#listen(status, (node, message) => this.#onStatus(node, message));
    this.#listen(digestTopic, (node, message) => this.#onDigest(node, message));
    this.#listen(index, (node, message) => this.#sessions.get(node)?.feed.index(message));
    this.#listen(gone, (node, message) => this.#onGone(node, message));
    own.use(bus.onPresence((presence) => this.#onPresence(presence)));
    own.use(nodes.onChange(({ type, object }) => type === 'deleted' && this.#onNodeDeleted(object)));
    this.#callEveryone();
  }

  async stop(): Promise<void> {
    this.#subscriptions.dispose();
    this.#sets[Symbol.dispose]();
    this.#suspectTimer?.cancel();
    for (const { feed } of this.#sessions.values()) feed.pause();
    await this.#inbox.stop();
  }

  isConnected(node: string): boolean {
    return this.#sessions.get(node)?.connected ?? false;
  }

  #callEveryone(): void {
    const { bus, nodes, clock, log } = this.#options;
    const windowMs = Math.min(rollWindowMaxMs, Math.max(rollWindowMinMs, nodes.size * rollMsPerNode));
    void bus
      .publish(roll, {}, { windowMs })
      .catch((error: unknown) => log.warn('roll call could not be sent', { error }));
    const patience = clock.after(windowMs + rollPatienceMs, () => this.#markAbsent(), { unref: true });
    this.#subscriptions.defer(() => patience.cancel());
  }

  /** Nodes that stand in the store as connected and have not greeted this run of the server. */
  #markAbsent(): void {
    for (const { metadata } of this.#options.nodes.list()) {
      if (metadata?.name && !this.#sessions.has(metadata.name)) this.#inbox.nodeChanged(metadata.name);
    }
  }

  #onHello(node: string, message: Message<typeof hello>): void {
    const known = this.#sessions.get(node);
    const { boot, count } = message;
    const verdict = judgeHello(known, message);
    if (verdict === 'behind' && known) {
      // Nobody listens when it is a late message; a device that lost its counter does.
      return this.#publish(node, ack, { type: 'behind', boot, count, floor: known.boot });
    }
    const session = known ?? this.#newSession(node);
    if (boot > session.boot) session.seq = 0;
    const changed = !session.connected || session.bootId !== message.bootId;
    session.boot = boot;
    session.helloCount = count;
    session.connection = message.connection;
    session.bootId = message.bootId;
    session.connected = true;
    this.#suspects.delete(node);
    const stored = this.#options.nodes.get(undefined, node);
    const shown = stored?.metadata?.annotations?.[reportAnnotation];
    const report = message.reportDigest !== undefined && message.reportDigest !== shown;
    this.#publish(node, ack, { type: 'hello', boot, count, session: this.#session, report });
    session.feed.claim(message, 'hello');
    if (changed) this.#inbox.nodeChanged(node);
  }

  #newSession(node: string): NodeSession {
    const session: NodeSession = {
      node,
      feed: this.#feedOf(node),
      connected: false,
      boot: 0,
      helloCount: 0,
      seq: 0,
      connection: 0,
      bootId: '',
    };
    this.#sessions.set(node, session);
    return session;
  }

  #feedOf(node: string): SetFeed {
    const { bus, clock, random, log, registry } = this.#options;
    return createSetFeed({
      set: this.#sets.of(node),
      session: this.#session,
      epoch: registry.epoch,
      publish: (topic, message) => bus.publish(topic, { node }, message),
      clock,
      random,
      log: log.child({ node }),
    });
  }

  #onStatus(node: string, message: Message<typeof status>): void {
    const session = this.#sessions.get(node);
    const verdict = judgeStatus(session, message, this.#session);
    if (verdict === 'unknown' || !session) return this.#greet(node);
    if (verdict === 'old' || !this.#inbox.add(node, message)) return;
    session.seq = message.seq;
    this.#revive(session);
  }

  #onDigest(node: string, message: Message<typeof digestTopic>): void {
    const session = this.#sessions.get(node);
    if (!session) return this.#greet(node);
    this.#revive(session);
    session.feed.claim(message, 'digest');
  }

  #onGone(node: string, { connection }: Message<typeof gone>): void {
    if (this.#sessions.get(node)?.connection === connection) this.#suspect(node);
  }

  #onPresence({ node, connected }: Presence): void {
    if (connected) this.#suspects.delete(node);
    else if (this.#sessions.has(node)) this.#suspect(node);
  }

  #suspect(node: string): void {
    const { clock } = this.#options;
    this.#suspects.set(node, clock.monotonic() + disconnectGraceMs);
    this.#suspectTimer ??= clock.after(disconnectGraceMs, () => this.#judgeSuspects());
  }

  #judgeSuspects(): void {
    const { bus, clock } = this.#options;
    const here = new Set(bus.connectedNodes());
    const now = clock.monotonic();
    for (const [node, at] of this.#suspects) {
      if (at > now) continue;
      this.#suspects.delete(node);
      const session = this.#sessions.get(node);
      if (session?.connected && !here.has(node)) this.#close(session);
    }
    const [next] = this.#suspects.values();
    this.#suspectTimer =
      next === undefined ? undefined : clock.after(next - now, () => this.#judgeSuspects());
  }

  #close(session: NodeSession): void {
    session.connected = false;
    session.feed.pause();
    this.#inbox.nodeChanged(session.node);
  }

  /** A sign of life other than a hello. One from a node that was taken for gone is answered with a wish to hear all. */
  #revive(session: NodeSession): void {
    this.#suspects.delete(session.node);
    if (!session.connected) this.#greet(session.node);
  }

  #onNodeDeleted(node: Readonly<Node>): void {
    const name = node.metadata?.name ?? '';
    const session = this.#sessions.get(name);
    if (session?.connected) this.#close(session);
    // Whoever comes back with a certificate that still holds is registered anew.
    this.#options.bus.disconnect(name);
  }

  #onDirty(node: string): void {
    const session = this.#sessions.get(node);
    if (session) session.feed.changed();
    else if (this.#started) this.#greet(node);
  }

  /** A device that this run of the server has not met is asked to say hello, not too often. */
  #greet(node: string): void {
    const now = this.#options.clock.monotonic();
    const last = this.#greeted.get(node);
    if (last !== undefined && now - last < greetEveryMs) return;
    this.#greeted.set(node, now);
    this.#publish(node, ack, { type: 'greet' });
  }

  #factsOf(node: string): NodeFacts {
    const session = this.#sessions.get(node);
    return session ? { connected: session.connected, bootId: session.bootId } : { connected: false };
  }

  async #writeNode(name: string, facts: NodeFacts, report: NodeReport | undefined): Promise<void> {
    const { events, nodes } = this.#options;
    const { rebooted, node } = await writeNode(this.#options, name, facts, report);
    if (report && node) await writeSlices(this.#options, node, report.devices);
    const object = nodes.get(undefined, name);
    if (!rebooted || !object) return;
    const message = `Node ${name} has been rebooted, boot id: ${facts.bootId ?? ''}`;
    const source = { component: 'flotilla-agent', host: name };
    events.record(nodeKind, object, { type: 'Warning', reason: 'Rebooted', message, source });
  }

  #listen<D extends TopicDefinition>(topic: D, handle: (node: string, message: Message<D>) => void): void {
    const subscription = this.#options.bus.subscribe(topic, (message, { node }) => {
      if (node !== undefined) handle(node, message);
    });
    this.#subscriptions.use(subscription);
  }

  #publish<D extends TopicDefinition>(node: string, topic: D, message: Message<D>): void {
    const { bus, log } = this.#options;
    void bus
      .publish(topic, { node }, message)
      .catch((error: unknown) => log.warn('message could not be sent', { topic: topic.name, node, error }));
  }
}
