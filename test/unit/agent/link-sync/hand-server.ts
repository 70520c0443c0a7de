import { countBoot } from '../../../../agent/desired/boot-counter.ts';
import { openDesiredSet, type WritableDesiredSet } from '../../../../agent/desired/desired-set.ts';
import { openJournal } from '../../../../agent/desired/journal.ts';
import { type Sync, startSync } from '../../../../agent/link/sync.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import { encodeMessage } from '../../../../protocol/codec.ts';
import { setHash, sumOf } from '../../../../protocol/sync-hash.ts';
import type { Message, TopicDefinition } from '../../../../protocol/topics/define-topic.ts';
import {
  ack,
  ask,
  digestTopic,
  hello,
  index,
  type SetEntry,
  set,
  status,
} from '../../../../protocol/topics/sync.ts';
import type { Bus } from '../../../../server/bus/bus.ts';
import { LossyNetwork, type SimLink } from '../../../sim/lossy-network.ts';
import { MemoryDisk } from '../../../sim/memory-disk.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

/** The real agent rooms, and a server whose every message is chosen by the test. */
export interface HandServer {
  clock: ManualClock;
  link: SimLink;
  desired: WritableDesiredSet;
  sync: Sync;
  disk: MemoryDisk;
  heard: <D extends TopicDefinition>(topic: D) => Message<D>[];
  /** Everything that went up, encoded, in bytes. */
  bytesUp: () => number;
  say: <D extends TopicDefinition>(topic: D, message: Message<D>) => Promise<void>;
  answerHello: (more?: { session?: string; report?: boolean }) => Promise<void>;
  /** Sends what a device that holds nothing of epoch `e1` needs. */
  sendSnapshot: (to: number, entries: SetEntry[], epoch?: string) => Promise<void>;
  acknowledge: (seq: number) => Promise<void>;
}

export async function openHandServer(): Promise<HandServer> {
  const clock = new ManualClock();
  const random = seededRandom(4);
  const network = new LossyNetwork({ clock, random, external: true });
  const bus: Bus = network.openBus();
  const disk = new MemoryDisk();
  const log = silentLogger;
  const journal = await openJournal({ path: '/d', log, disk });
  const desired = openDesiredSet({ journal, log, random });
  const boots = await countBoot(journal, log);
  const link = network.openLink('n1', 0);
  const sync = startSync({
    link,
    desired,
    boots,
    clock,
    random,
    log,
    bootId: 'b1',
    agentVersion: '1',
    clockTrusted: () => false,
  });
  const messages = new Map<TopicDefinition, Message<TopicDefinition>[]>();
  let bytesUp = 0;
  link.onSend = (topic, message) => {
    for (const payload of encodeMessage(topic, message)) bytesUp += payload.length;
  };
  for (const topic of [hello, index, status, digestTopic]) {
    const list: Message<TopicDefinition>[] = [];
    messages.set(topic, list);
    bus.subscribe(topic, (message) => void list.push(message));
  }
  const heard = <D extends TopicDefinition>(topic: D) => (messages.get(topic) ?? []) as Message<D>[];
  async function say<D extends TopicDefinition>(topic: D, message: Message<D>): Promise<void> {
    await bus.publish(topic, { node: 'n1' }, message);
    await clock.advance(5);
  }
  return {
    clock,
    link,
    desired,
    sync,
    disk,
    heard,
    bytesUp: () => bytesUp,
    say,
    async answerHello({ session = 's1', report = false } = {}) {
      await clock.advance(5);
      const last = heard(hello).at(-1);
      await say(ack, { type: 'hello', boot: last?.boot ?? 0, count: last?.count ?? 0, session, report });
    },
    async sendSnapshot(to, entries, epoch = 'e1') {
      await say(ask, { request: 'r' });
      const nonce = heard(index).at(-1)?.nonce ?? '';
      const hash = setHash(sumOf(entries));
      const held = (heard(index).at(-1)?.entries ?? []).map(([key]) => key);
      const del = held.filter((key) => entries.every((entry) => entry.key !== key));
      await say(set, { type: 'snapshot', session: 's1', epoch, nonce, to, hash, put: entries, del });
    },
    acknowledge: (seq) => say(ack, { type: 'status', session: 's1', boot: 1, seq }),
  };
}
