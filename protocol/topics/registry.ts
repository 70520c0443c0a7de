import type { TopicDefinition } from './define-topic.ts';
import { joinRequest, joinResponse } from './join.ts';
import { open, streamClosed, streamDown, streamUp } from './streams.ts';
import { ack, ask, digestTopic, gone, hello, index, roll, set, status } from './sync.ts';
import { tokenGrant, tokenRequest } from './tokens.ts';
import { measure, usage } from './usage.ts';
import { volumeReclaimed } from './volumes.ts';

/** Every topic of the bus. The broker's ACL allows exactly these. */
export const topics: readonly TopicDefinition[] = [
  hello,
  index,
  status,
  digestTopic,
  gone,
  set,
  ask,
  ack,
  roll,
  tokenRequest,
  tokenGrant,
  volumeReclaimed,
  open,
  streamDown,
  streamUp,
  streamClosed,
  measure,
  usage,
  joinRequest,
  joinResponse,
];
