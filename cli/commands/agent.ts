import { hostname } from 'node:os';
import { parseBytes, parseDevices, parseLabels, parseServer } from '../../agent/config.ts';
import { identifyDevice } from '../../agent/identify-device.ts';
import { startAgent } from '../../agent/main.ts';
import type { LogLevel } from '../../lib/log.ts';
import { flotillaVersion } from '../../protocol/version.ts';
import { CommandError, defineCommand } from '../command.ts';
import { explainFailure } from '../explain-failure.ts';
import { untilAborted } from '../until-aborted.ts';

const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

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
    reserve: {
      type: 'string',
      placeholder: 'cpu=…,memory=…',
      description: 'what is kept back from pods: cpu, memory, ephemeral-storage (nothing)',
    },
    'eviction-hard': {
      type: 'string',
      placeholder: 'SIGNAL<AMOUNT,…',
      description: 'when pods are evicted (memory.available<100Mi,nodefs.available<10%)',
    },
    'eviction-pressure-transition-seconds': {
      type: 'string',
      placeholder: 'SECONDS',
      description: 'how long a shortage must be gone before the node is well again (300)',
    },
    'pod-pids-max': {
      type: 'string',
      placeholder: 'NUMBER',
      description: 'processes and threads that one container may have (1024)',
    },
    'allowed-unsafe-sysctls': {
      type: 'string',
      placeholder: 'NAME,PREFIX*,…',
      description: 'kernel parameters that pods may set beside the safe ones',
    },
    devices: {
      type: 'string',
      placeholder: 'RESOURCE=/dev/…,…',
      description: 'device files that pods may ask for as a resource each',
    },
    'image-gc-high-threshold': {
      type: 'string',
      placeholder: 'PERCENT',
      description: 'of the disk in use, above which unused images go; 100: never (85)',
    },
    'image-gc-low-threshold': {
      type: 'string',
      placeholder: 'PERCENT',
      description: 'of the disk in use, down to which they go (80)',
    },
    'layers-max': {
      type: 'string',
      placeholder: 'AMOUNT',
      description: 'what layers of images may take on disk; 0: none are kept or shared (1Gi)',
    },
    'layers-port': {
      type: 'string',
      placeholder: 'PORT',
      description: 'where a device at a site gives layers to the others there (8885)',
    },
    'stop-workloads': { type: 'boolean', description: 'stop the workloads too when the agent stops' },
    'log-level': { type: 'string', placeholder: 'LEVEL', description: 'debug, info, warn or error (info)' },
    'log-format': { type: 'string', placeholder: 'FORMAT', description: 'text or json (text)' },
  },
  async run(context, options) {
    // A small Buffer that is kept keeps alive the 64 kB it was cut from; the MQTT packages keep many (docs/decisions/0266).
    Buffer.poolSize = 0;
    const dataDir = required(options.data, 'say where the agent keeps its state: --data DIR');
    const server = required(options.server, 'say where the server is: --server HOST');
    const { clock, random, signal } = context;
    // For tests: a tree with /sys and /dev of another machine. docs/guide.md tells.
    const hostRoot = process.env['FLOTILLA_HOST_ROOT'];
    const log = context.log(
      parseLogLevel(options['log-level']),
      options['log-format'] === 'json' ? 'json' : 'text',
    );
    await explainFailure(async () => {
      const config = {
        dataDir,
        server: parseServer(server),
        joinToken: options.join,
        name: options.name ?? hostname().toLowerCase(),
        labels: parseLabels(options.labels),
        runtime: options.runtime ?? 'auto',
        ...(options.reserve === undefined ? {} : { reserve: options.reserve }),
        ...(options['eviction-hard'] === undefined ? {} : { evictionHard: options['eviction-hard'] }),
        ...(options['pod-pids-max'] === undefined ? {} : { podPidsMax: Number(options['pod-pids-max']) }),
        allowedUnsafeSysctls: (options['allowed-unsafe-sysctls'] ?? '').split(',').filter(Boolean),
        devices: parseDevices(options.devices),
        ...(hostRoot === undefined ? {} : { hostRoot }),
        ...numberOf('evictionPressureTransitionSeconds', options['eviction-pressure-transition-seconds']),
        ...numberOf('imageGcHighThreshold', options['image-gc-high-threshold']),
        ...numberOf('imageGcLowThreshold', options['image-gc-low-threshold']),
        ...(options['layers-max'] === undefined
          ? {}
          : { layersBytesMax: parseBytes('--layers-max', options['layers-max']) }),
        ...(options['layers-port'] === undefined ? {} : { layersPort: Number(options['layers-port']) }),
        stopWorkloads: options['stop-workloads'] ?? false,
      };
      await using _agent = await startAgent(config, {
        clock,
        random,
        log,
        signal,
        version: `v${flotillaVersion}`,
        identify: (abort) => identifyDevice({ ...config, clock, random, log, signal: abort }),
      });
      await untilAborted(signal);
    });
  },
});

function numberOf(name: string, text: string | undefined): Record<string, number> {
  return text === undefined ? {} : { [name]: Number(text) };
}

function required(value: string | undefined, message: string): string {
  if (value === undefined) throw new CommandError(message, { exitCode: 2 });
  return value;
}

function parseLogLevel(text = 'info'): LogLevel {
  const level = logLevels.find((name) => name === text);
  if (level) return level;
  throw new CommandError(`--log-level takes one of ${logLevels.join(', ')}, not ${text}`, { exitCode: 2 });
}
