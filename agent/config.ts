import * as v from 'valibot';
import { QuantityError, quantityValue } from '../protocol/quantity.ts';
import { AgentError } from './agent-error.ts';
import { isAllowablePattern } from './pods/sysctls.ts';

const mqttPortDefault = 8883;
const name = v.pipe(
  v.string(),
  v.maxLength(253, 'must not be longer than 253 characters'),
  v.regex(
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
    'must be lower-case letters, digits, dashes and dots, as in a DNS name',
  ),
);
const labelKey = v.pipe(
  v.string(),
  v.regex(
    /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/,
    'is no label key: at most 63 letters, digits, dashes, underscores and dots, with a DNS name and / before it if need be',
  ),
);
const labelValue = v.pipe(
  v.string(),
  v.regex(
    /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/,
    'is no label value: at most 63 letters, digits, dashes, underscores and dots, beginning and ending with a letter or digit',
  ),
);

const resourceName = v.pipe(
  v.string(),
  v.regex(
    /^(?!(?:[^/]*\.)?kubernetes\.io\/)(?!flotilla\.dev\/)[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/,
    'is no name for a resource of your own: write DOMAIN/NAME, as in example.com/modem',
  ),
);
const devicePath = v.pipe(v.string(), v.regex(/^\/dev\/[^,]+$/, 'must be a path below /dev'));
const percent = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(0, 'must be 0 to 100'),
  v.maxValue(100, 'must be 0 to 100'),
);

const schema = v.strictObject({
  dataDir: v.pipe(v.string(), v.minLength(1, 'must name a folder')),
  server: v.strictObject({
    host: v.pipe(v.string(), v.minLength(1, 'must be a host name or address')),
    port: v.pipe(
      v.number(),
      v.integer(),
      v.minValue(1, 'must be 1 to 65535'),
      v.maxValue(65_535, 'must be 1 to 65535'),
    ),
  }),
  name,
  labels: v.optional(v.record(labelKey, labelValue), {}),
  /** `auto` takes what works, else the name of a runtime driver. */
  runtime: v.optional(v.string(), 'auto'),
  /** For the first start; ignored once there is an identity. */
  joinToken: v.optional(v.string()),
  /** Processes and threads that one container may have, so that a fork bomb ends in its own container. */
  podPidsMax: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1, 'must be 1 or more')), 1024),
  /** Kernel parameters that pods may set beside the safe ones, `net.core.somaxconn` or `kernel.msg*`. */
  allowedUnsafeSysctls: v.optional(
    v.array(
      v.pipe(
        v.string(),
        v.check(
          isAllowablePattern,
          'is nothing that a pod has of its own: net.*, fs.mqueue.*, kernel.shm*, kernel.msg*, kernel.sem',
        ),
      ),
    ),
    [],
  ),
  /** Kept back from pods, `cpu=100m,memory=200Mi,ephemeral-storage=1Gi`. */
  reserve: v.optional(v.string(), ''),
  /** Below which pods are evicted, `memory.available<100Mi,nodefs.available<10%`. */
  evictionHard: v.optional(v.string(), ''),
  /** How long a shortage must be gone before the node's condition says so. */
  evictionPressureTransitionSeconds: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(0, 'must be 0 or more')),
    300,
  ),
  /** Device files that count as a resource each, `{"example.com/modem": ["/dev/serial/by-id/…"]}`. */
  devices: v.optional(v.record(resourceName, v.array(devicePath)), {}),
  /** Where /sys and /dev are looked for; a tree of a test's own, that looks like another machine. */
  hostRoot: v.optional(v.pipe(v.string(), v.startsWith('/', 'must be an absolute path')), '/'),
  /** Percent of the images' disk in use above which unused ones go, and down to which; 100: they stay. */
  imageGcHighThreshold: v.optional(percent, 85),
  imageGcLowThreshold: v.optional(percent, 80),
  /** What layers of images may take in the agent's folder; 0: engines fetch by themselves, and nothing is shared. */
  layersBytesMax: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0, 'must be 0 or more')), 1024 ** 3),
  /** At which a device that is at a site gives layers to others of it; another where that is taken, any when 0. */
  layersPort: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535, 'must be 0 to 65535')),
    8885,
  ),
  /** Whether a stopping agent stops its workloads too. */
  stopWorkloads: v.optional(v.boolean(), false),
});

export type AgentConfig = v.InferOutput<typeof schema>;
export type AgentConfigInput = v.InferInput<typeof schema>;

/** Throws an AgentError `BadConfig` that names every setting that cannot be used, and what would do. */
export function parseAgentConfig(input: unknown): AgentConfig {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  const lines = result.issues.map((issue) => {
    const path = v.getDotPath(issue) ?? 'config';
    const value = typeof issue.input === 'string' ? ` (${JSON.stringify(issue.input)})` : '';
    return `${path}${value}: ${issue.type === 'strict_object' ? 'is missing or not a setting' : issue.message}`;
  });
  throw new AgentError('BadConfig', `the agent's configuration cannot be used:\n  ${lines.join('\n  ')}`);
}

/** `a=b,c=d`. */
export function parseLabels(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').filter((pair) => pair.trim() !== '');
  const labels = pairs.map((pair): [string, string] => {
    const [key, value, ...rest] = pair.trim().split('=');
    if (key === undefined || value === undefined || rest.length > 0) {
      throw new AgentError(
        'BadConfig',
        `labels are written a=b,c=d; this is not one: ${JSON.stringify(pair)}`,
      );
    }
    return [key, value];
  });
  return Object.fromEntries(labels);
}

/** `1Gi`, in bytes. Throws an AgentError that names the setting. */
export function parseBytes(setting: string, text: string): number {
  try {
    return quantityValue(text);
  } catch (cause) {
    if (!(cause instanceof QuantityError)) throw cause;
    const message = `${setting} takes an amount like 512Mi or 1Gi, not ${JSON.stringify(text)}`;
    throw new AgentError('BadConfig', message, { cause });
  }
}

/** `example.com/modem=/dev/ttyUSB0,example.com/modem=/dev/ttyUSB1`. Throws an AgentError. */
export function parseDevices(text: string | undefined): Record<string, string[]> {
  const devices: Record<string, string[]> = {};
  for (const pair of (text ?? '').split(',').filter((one) => one.trim() !== '')) {
    const [resource = '', ...path] = pair.trim().split('=');
    if (path.length === 0)
      throw new AgentError(
        'BadConfig',
        `devices are written RESOURCE=/dev/…,RESOURCE=/dev/…; this is not one: ${JSON.stringify(pair)}`,
      );
    (devices[resource] ??= []).push(path.join('='));
  }
  return devices;
}

/** `host`, `host:port`, `[2001:db8::1]:port` or a bare IPv6 address. */
export function parseServer(text: string): { host: string; port: number } {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  const plain = /^([^:]+)(?::(\d+))?$/.exec(text);
  const match = bracketed ?? plain;
  if (match)
    return { host: match[1] ?? '', port: match[2] === undefined ? mqttPortDefault : Number(match[2]) };
  if (/^[0-9a-fA-F:.]+$/.test(text)) return { host: text, port: mqttPortDefault };
  throw new AgentError(
    'BadConfig',
    `the server is written HOST or HOST:PORT; this is neither: ${JSON.stringify(text)}`,
  );
}
