import { seededRandom } from '../../../../lib/random.ts';
import type { Node, Pod } from '../../../../protocol/generated/models.ts';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { nodeKind } from '../../../../protocol/kinds/node.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { entryDigest } from '../../../../protocol/sync-hash.ts';
import type { Message } from '../../../../protocol/topics/define-topic.ts';
import {
  ack,
  ask,
  digestTopic,
  hello,
  index,
  type NodeReport,
  type PodReport,
  set,
  status,
} from '../../../../protocol/topics/sync.ts';
import type { Registry } from '../../../../server/registry/registry.ts';
import { LossyNetwork, type SimLink } from '../../../sim/lossy-network.ts';
import { SimServer } from '../../../sim/sim-server.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

/** The real server rooms over a perfect network, and devices whose every message is chosen by the test. */
export interface Hand {
  clock: ManualClock;
  registry: Registry;
  server: SimServer;
  network: LossyNetwork;
  device: (node: string) => HandDevice;
  bindPod: (name: string, node: string, more?: Partial<Pod>) => Promise<Pod>;
  pod: (name: string) => Promise<Pod | undefined>;
  node: (name: string) => Promise<Node | undefined>;
}

export interface HandDevice {
  link: SimLink;
  sets: Message<typeof set>[];
  acks: Message<typeof ack>[];
  asks: Message<typeof ask>[];
  /** Says hello with the next count and waits for what comes of it. */
  hello(more?: Partial<Message<typeof hello>>): Promise<void>;
  /** As the last hello's answer named it. */
  session(): string;
  status(seq: number, pods: PodReport[], more?: Partial<Message<typeof status>>): Promise<void>;
  digest(message: Message<typeof digestTopic>): Promise<void>;
  index(request: string, entries: [string, string][]): Promise<void>;
}

export async function openHand({ external = false } = {}): Promise<Hand> {
  const clock = new ManualClock();
  const random = seededRandom(11);
  const network = new LossyNetwork({ clock, random, external });
  const server = new SimServer({ clock, random, network });
  const { registry } = server;
  await registry.create(namespaceKind, { metadata: { name: 'default' } });
  await server.start();
  await clock.advance(10);
  const quietly = <T>(found: Promise<T>) => found.catch(() => undefined);
  return {
    clock,
    registry,
    server,
    network,
    device: (node) => handDevice(node, clock, network),
    async bindPod(name, node, more = {}) {
      const metadata = { name, namespace: 'default', ...more.metadata };
      const spec = { containers: [{ name: 'main', image: 'i' }], ...more.spec };
      const { metadata: made } = await registry.create(podKind, { metadata, spec });
      await registry.bind({ namespace: 'default', name }, made?.uid ?? '', node);
      await clock.advance(20);
      return registry.get(podKind, { namespace: 'default', name });
    },
    pod: (name) => quietly(registry.get(podKind, { namespace: 'default', name })),
    node: (name) => quietly(registry.get(nodeKind, { name })),
  };
}

export const report: NodeReport = {
  capacity: { cpu: '4' },
  allocatable: { cpu: '3' },
  addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
  nodeInfo: { kernelVersion: '6.1' },
  labels: { 'kubernetes.io/arch': 'arm64', 'node-role.kubernetes.io/admin': '' },
  conditions: [{ type: 'DiskPressure', status: 'False', reason: 'Enough', message: '' }],
  runtimes: ['oci', 'process'],
};

function handDevice(node: string, clock: ManualClock, network: LossyNetwork): HandDevice {
  const link = network.openLink(node, 0);
  const sets: Message<typeof set>[] = [];
  const acks: Message<typeof ack>[] = [];
  const asks: Message<typeof ask>[] = [];
  link.on(set, (message) => void sets.push(message));
  link.on(ack, (message) => void acks.push(message));
  link.on(ask, (message) => void asks.push(message));
  let count = 0;
  const session = () => acks.findLast((message) => message.type === 'hello')?.session ?? '';
  return {
    link,
    sets,
    acks,
    asks,
    session,
    async hello(more = {}) {
      link.connect();
      count += 1;
      link.send(hello, {
        epoch: '',
        revision: 0,
        hash: '0000000000000000',
        boot: 1,
        count,
        connection: 1,
        bootId: 'b1',
        clockTrusted: true,
        agentVersion: '1',
        reportDigest: entryDigest(report),
        ...more,
      });
      await clock.advance(20);
    },
    async status(seq, pods, more = {}) {
      link.send(status, { session: session(), boot: 1, seq, pods, ...more });
      await clock.advance(20);
    },
    async digest(message) {
      link.send(digestTopic, message);
      await clock.advance(20);
    },
    async index(request, entries) {
      link.send(index, { request, nonce: 'n1', entries });
      await clock.advance(20);
    },
  };
}
