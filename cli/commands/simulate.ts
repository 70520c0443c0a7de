import { parseLabels, parseServer } from '../../agent/config.ts';
import { parseQuantity } from '../../protocol/quantity.ts';
import { CommandError, defineCommand } from '../command.ts';
import { explainFailure } from '../explain-failure.ts';
import { startSimulatedFleet } from '../simulate/simulated-fleet.ts';
import { untilAborted } from '../until-aborted.ts';

const nodesMax = 20_000;

export const command = defineCommand({
  name: 'simulate',
  summary: 'Run a fleet of simulated devices against a server',
  description: [
    'Runs devices that exist only in this process, each with the agent’s own code and its own TLS and MQTT connection; their',
    'containers run nothing. For demonstrations, load tests and planning: how would my server take 1,000 devices?',
    'They stay in DIR: the same fleet starts again without a token. Ctrl-C stops them all.',
  ].join('\n'),
  options: {
    data: {
      type: 'string',
      placeholder: 'DIR',
      description: 'folder for the devices’ state (made when missing)',
    },
    server: {
      type: 'string',
      placeholder: 'HOST[:PORT]',
      description: 'where the server takes devices (port 8883)',
    },
    join: { type: 'string', placeholder: 'TOKEN', description: 'reusable token for their first start' },
    nodes: { type: 'integer', placeholder: 'N', description: 'how many devices (10)' },
    prefix: {
      type: 'string',
      placeholder: 'NAME',
      description: 'devices are called NAME-1, NAME-2, … (simulated)',
    },
    labels: { type: 'string', placeholder: 'a=b,c=d', description: 'labels of every device' },
    zones: { type: 'integer', placeholder: 'N', description: 'zones to spread the devices over (3)' },
    cpus: { type: 'integer', placeholder: 'N', description: 'processors of each device (4)' },
    memory: { type: 'string', placeholder: 'QUANTITY', description: 'memory of each device (4Gi)' },
  },
  async run(context, options) {
    const { clock, random, signal } = context;
    const nodes = inRange('nodes', options.nodes ?? 10, nodesMax);
    await explainFailure(async () => {
      const began = clock.monotonic();
      await using _fleet = await startSimulatedFleet({
        directory: required(options.data, 'say where the devices keep their state: --data DIR'),
        server: parseServer(required(options.server, 'say where the server is: --server HOST')),
        joinToken: options.join,
        nodes,
        prefix: options.prefix ?? 'simulated',
        labels: parseLabels(options.labels),
        zones: inRange('zones', options.zones ?? 3, nodesMax),
        size: {
          cpus: inRange('cpus', options.cpus ?? 4, 1024),
          memoryBytes: bytesOf(options.memory ?? '4Gi'),
        },
        clock,
        random,
        log: context.log('error', 'text'),
        signal,
        onStarted: (count) => {
          if (count % progressEvery === 0 && count < nodes) context.note(`${count} of ${nodes} devices run`);
        },
      });
      if (signal.aborted) return;
      const seconds = ((clock.monotonic() - began) / 1000).toFixed(1);
      context.print(`${nodes} devices run after ${seconds} s`);
      await untilAborted(signal);
    });
  },
});

const progressEvery = 500;

function required(value: string | undefined, message: string): string {
  if (value === undefined) throw new CommandError(message, { exitCode: 2 });
  return value;
}

function inRange(name: string, value: number, max: number): number {
  if (value >= 1 && value <= max) return value;
  throw new CommandError(`--${name} takes a number from 1 to ${max}, not ${value}`, { exitCode: 2 });
}

function bytesOf(text: string): number {
  try {
    return Number(parseQuantity(text).nano / 1_000_000_000n);
  } catch {
    throw new CommandError(`--memory takes a quantity such as 4Gi, not ${text}`, { exitCode: 2 });
  }
}
