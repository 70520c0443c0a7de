import type { Message } from '../../protocol/topics/define-topic.ts';
import type { hello, status } from '../../protocol/topics/sync.ts';
import type { SetFeed } from './set-feed.ts';

/**
 * What this run of the server has heard from one device. Only higher numbers count: a hello orders by (boot,
 * count), a status by (boot, seq), so that a repeated or late message changes nothing. No clock orders anything.
 */
export interface NodeSession {
  readonly node: string;
  readonly feed: SetFeed;
  connected: boolean;
  boot: number;
  helloCount: number;
  seq: number;
  connection: number;
  bootId: string;
}

/** `behind`: older than what is known; of an earlier time, or of a device that lost its counter. */
export type HelloVerdict = 'news' | 'repeated' | 'behind';

export function judgeHello(session: NodeSession | undefined, message: Message<typeof hello>): HelloVerdict {
  if (!session || message.boot > session.boot) return 'news';
  if (message.boot < session.boot || message.count < session.helloCount) return 'behind';
  return message.count === session.helloCount ? 'repeated' : 'news';
}

/** `unknown`: the device and this run of the server must greet first. */
export type StatusVerdict = 'news' | 'old' | 'unknown';

export function judgeStatus(
  session: NodeSession | undefined,
  message: Message<typeof status>,
  currentSession: string,
): StatusVerdict {
  if (!session || message.session !== currentSession || message.boot > session.boot) return 'unknown';
  return message.boot < session.boot || message.seq <= session.seq ? 'old' : 'news';
}
