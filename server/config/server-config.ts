import { isIP } from 'node:net';
import * as v from 'valibot';
import { parse as parseYaml } from 'yaml';

/** The server's settings: built-in values, then the config file, then the command line; a later one wins. */
const port = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535));
const address = v.pipe(
  v.string(),
  v.check((text) => isIP(text) !== 0, 'must be an IP address of this machine, e.g. 0.0.0.0 for all'),
);
const clusterName = v.pipe(
  v.string(),
  v.regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'must be a DNS label: lower-case letters, digits and dashes',
  ),
);

const schema = v.strictObject({
  /** Folder that holds everything the server keeps. */
  data: v.pipe(v.string(), v.minLength(1)),
  /** 0 takes a free port (the ready line tells which). */
  apiPort: v.optional(port, 6443),
  mqttPort: v.optional(port, 8883),
  bind: v.optional(address, '127.0.0.1'),
  /** Further names and addresses under which clients reach this server; they go into its certificate. */
  advertise: v.optional(v.array(v.pipe(v.string(), v.minLength(1))), []),
  /** Part of every topic; fixed for the life of the data folder. */
  cluster: v.optional(clusterName, 'default'),
  /** CSV of token,user,uid,"group1,group2" (Kubernetes' static token file). */
  tokenAuthFile: v.optional(v.string()),
  /** Watches and lists can go back at least this far (Kubernetes' etcd-compaction-interval). */
  historySeconds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(86_400)), 300),
  /** Take requests without any credential, as system:anonymous; unsaid is no. */
  anonymousAuth: v.optional(v.boolean()),
  /** Kubernetes' AuthenticationConfiguration, in place of the settings below. */
  authenticationConfig: v.optional(v.string()),
  /** One OpenID Connect issuer, in the words of kube-apiserver's flags. */
  oidcIssuerUrl: v.optional(v.string()),
  oidcClientId: v.optional(v.string()),
  oidcUsernameClaim: v.optional(v.string(), 'sub'),
  oidcUsernamePrefix: v.optional(v.string()),
  oidcGroupsClaim: v.optional(v.string()),
  oidcGroupsPrefix: v.optional(v.string(), ''),
  oidcRequiredClaim: v.optional(v.array(v.string()), []),
  oidcSigningAlgs: v.optional(v.array(v.string()), ['RS256']),
  oidcCaFile: v.optional(v.string()),
  /** What is noted of requests (audit.k8s.io/v1, Policy), and in which file; both or none. */
  auditPolicyFile: v.optional(v.string()),
  auditLogPath: v.optional(v.string()),
  /** Mebibytes at which the file is put aside; how many of those are kept, and for how many days (0: all). */
  auditLogMaxSize: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 100),
  auditLogMaxBackup: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  auditLogMaxAge: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  /** Network of the services' addresses; two, one of each family and parted by a comma, for dual stack. */
  serviceCidr: v.optional(v.string(), '10.96.0.0/12'),
  /** Ports that services open on every node, both ends among them. */
  serviceNodePortRange: v.optional(v.string(), '30000-32767'),
  /** What pods may name in spec.schedulerName: which of the scheduler's plugins have a say, and how much (0 to 100). */
  schedulerProfiles: v.optional(
    v.array(
      v.strictObject({
        schedulerName: v.pipe(v.string(), v.minLength(1)),
        disabled: v.optional(v.array(v.string())),
        weights: v.optional(v.record(v.string(), v.pipe(v.number(), v.minValue(0), v.maxValue(100)))),
      }),
    ),
  ),
  logLevel: v.optional(v.picklist(['debug', 'info', 'warn', 'error']), 'info'),
  logFormat: v.optional(v.picklist(['json', 'text']), 'text'),
});

export type ServerConfig = v.InferOutput<typeof schema>;

/** A setting that cannot be used; the message names it, the value and what would do. */
export class ConfigError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ConfigError';
  }
}

/**
 * `file` is the YAML (or JSON) text of a config file with the keys of `ServerConfig`, `flags` what the command line
 * gave. Throws a ConfigError that lists every bad setting.
 */
export function parseServerConfig(sources: {
  file?: string | undefined;
  flags: Record<string, unknown>;
}): ServerConfig {
  const given = Object.entries(sources.flags).filter(([, value]) => value !== undefined);
  const result = v.safeParse(schema, { ...parseFile(sources.file), ...Object.fromEntries(given) });
  if (result.success) return result.output;
  const lines = result.issues.map((issue) => {
    const path = v.getDotPath(issue) ?? 'config';
    return `${path}: ${issue.type === 'strict_object' ? 'there is no such setting' : issue.message}`;
  });
  throw new ConfigError(`the configuration cannot be used:\n  ${lines.join('\n  ')}`);
}

function parseFile(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  const parsed = readYaml(text);
  if (parsed === null) return {};
  if (typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new ConfigError('the config file must hold settings as `name: value` lines');
  }
  return { ...parsed };
}

function readYaml(text: string): unknown {
  try {
    return parseYaml(text, { maxAliasCount: 0 });
  } catch (error) {
    throw new ConfigError(
      `the config file is not YAML: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  }
}
