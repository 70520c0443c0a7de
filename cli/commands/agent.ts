import { hostname } from 'node:os';
import { runAgent } from '../../agent/main.ts';
import { CommandError, defineCommand } from '../command.ts';
import { explainFailure } from '../explain-failure.ts';

const mqttPortDefault = 8883;

export const command = defineCommand({
  name: 'agent',
  summary: 'Run the agent that makes this machine a node',
  description: [
    'Runs the agent in the foreground until Ctrl-C or SIGTERM. The first start needs --join with a token (flotilla',
    'token create); later starts ignore it. Stopping or killing the agent leaves its workloads running; the next start',
    'adopts them.',
  ].join('\n'),
  options: {
    data: { type: 'string', placeholder: 'DIR', description: 'folder for all state (made when missing)' },
    server: {
      type: 'string',
      placeholder: 'HOST[:PORT]',
      description: 'where the server takes devices (port 8883)',
    },
    join: { type: 'string', placeholder: 'TOKEN', description: 'token for the first start' },
    name: { type: 'string', placeholder: 'NAME', description: "name of the node (this machine's host name)" },
    labels: { type: 'string', placeholder: 'a=b,c=d', description: 'labels of the node' },
    runtime: { type: 'string', placeholder: 'RUNTIME', description: 'auto, oci or process (auto)' },
    'stop-workloads': { type: 'boolean', description: 'stop the workloads too when the agent stops' },
    'log-level': { type: 'string', placeholder: 'LEVEL', description: 'debug, info, warn or error (info)' },
    'log-format': { type: 'string', placeholder: 'FORMAT', description: 'text or json (text)' },
  },
  async run(context, options) {
    if (options.data === undefined)
      throw new CommandError('say where the agent keeps its state: --data DIR', { exitCode: 2 });
    if (options.server === undefined)
      throw new CommandError('say where the server is: --server HOST', { exitCode: 2 });
    const { clock, random, signal } = context;
    const log = context.log(
      logLevel(options['log-level']),
      options['log-format'] === 'json' ? 'json' : 'text',
    );
    const config = {
      dataDir: options.data,
      server: parseServer(options.server),
      joinToken: options.join,
      name: options.name ?? hostname().toLowerCase(),
      labels: parseLabels(options.labels),
      runtime: options.runtime ?? 'auto',
      stopWorkloads: options['stop-workloads'] ?? false,
    };
    await explainFailure(() => runAgent(config, { clock, random, log, signal }));
  },
});
