import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { limits } from '../../protocol/limits.ts';
import {
  open,
  type StreamRequest,
  streamClosed,
  streamDown,
  streamUp,
} from '../../protocol/topics/streams.ts';
import type { Link } from '../link/link.ts';
import { answerEndpoint } from './answer-endpoint.ts';
import type { RunningProcesses } from './carry-connection.ts';
import { DeviceStream, type StreamWork, wordsOf } from './device-stream.ts';
import { FramePace } from './frame-pace.ts';
import type { NodeEndpoints } from './node-endpoints.ts';
import type { PodDialer } from './pod-dialer.ts';
import { attach, type FindContainer, runCommand } from './run-command.ts';
import { sendLogs } from './send-logs.ts';

export interface ServeStreamsOptions {
  link: Link;
  find: FindContainer;
  endpoints: NodeEndpoints;
  running: RunningProcesses;
  dialer: PodDialer;
  clock: Clock;
  log: Logger;
}

/** Answers the server's `open`s, each over the on-demand stream connection, flow-controlled. */
export function serveStreams(options: ServeStreamsOptions): Disposable {
  const { link, log } = options;
  const streams = new Map<string, DeviceStream>();
  const pace = new FramePace(options.clock);
  const subscriptions = [
    link.on(open, async ({ id, request }) => {
      if (streams.has(id)) return;
      if (streams.size >= limits.streamsPerNodeMax) {
        link.send(streamClosed, { error: `this node already carries ${streams.size} streams` }, { id });
        return;
      }
      const stream = new DeviceStream({
        clock: options.clock,
        pace,
        sendFrame: (frame) => link.send(streamUp, frame, { id }),
      });
      streams.set(id, stream);
      try {
        await carry(id, stream, workOf(request, options));
      } finally {
        streams.delete(id);
      }
    }),
    link.on(streamDown, (frame, { id }) => {
      if (id !== undefined) streams.get(id)?.receive(frame);
    }),
  ];
  return {
    [Symbol.dispose]() {
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
      for (const stream of streams.values()) stream.abort('the agent is stopping');
    },
  };

  async function carry(id: string, stream: DeviceStream, work: StreamWork): Promise<void> {
    try {
      using connection = await link.openStreams();
      const { over } = connection;
      const broken = () => {
        const error = `the connection for streams broke (${wordsOf(over.reason)})`;
        stream.abort(error);
        link.send(streamClosed, { error }, { id });
      };
      over.addEventListener('abort', broken, { once: true });
      await stream.run(work).finally(() => over.removeEventListener('abort', broken));
    } catch (error) {
      log.warn('stream connection failed', { error });
      stream.abort('no stream connection');
      const words = `the node cannot make a connection for streams: ${wordsOf(error)}`;
      link.send(streamClosed, { error: words }, { id });
    }
  }
}

function workOf(request: StreamRequest, options: ServeStreamsOptions): StreamWork {
  const { find, endpoints } = options;
  switch (request.type) {
    case 'logs':
      return (io) => sendLogs(request, options, io);
    case 'exec':
      return (io) => runCommand(request, find, io);
    case 'attach':
      return (io) => attach(request, find, io);
    case 'port':
      return async (io) => {
        const { carryConnection } = await import('./carry-connection.ts');
        await carryConnection(request, options, io);
      };
    case 'endpoint':
      return (io) => answerEndpoint(request, endpoints, io);
  }
}
