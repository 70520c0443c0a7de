import { readFile } from 'node:fs/promises';
import { parseServerConfig } from '../../server/config/server-config.ts';
import { runServer } from '../../server/main.ts';
import { type CommandContext, CommandError, defineCommand } from '../command.ts';
import { explainFailure } from '../explain-failure.ts';
import { untilAborted } from '../until-aborted.ts';

export const command = defineCommand({
  name: 'server',
  summary: 'Run the server: API, broker, store, controllers',
  description: [
    'Runs the server in the foreground until Ctrl-C or SIGTERM. Everything it keeps is in the data folder, also the',
    'admin kubeconfig (DIR/kubeconfig). It listens on loopback only, unless --bind says otherwise.',
  ].join('\n'),
  options: {
    data: { type: 'string', placeholder: 'DIR', description: 'folder for all state (made when missing)' },
    'api-port': { type: 'integer', placeholder: 'PORT', description: 'port of the Kubernetes API (6443)' },
    'mqtt-port': {
      type: 'integer',
      placeholder: 'PORT',
      description: 'port that devices dial, MQTT over TLS (8883)',
    },
    bind: {
      type: 'string',
      placeholder: 'ADDRESS',
      description: 'address to listen on (127.0.0.1); 0.0.0.0 is all',
    },
    advertise: {
      type: 'strings',
      placeholder: 'NAME',
      description: 'a further name or address of this server; may repeat',
    },
    cluster: {
      type: 'string',
      placeholder: 'NAME',
      description: 'name of the cluster, part of every topic (default)',
    },
    config: {
      type: 'string',
      placeholder: 'FILE',
      description: 'YAML file with these settings in camelCase',
    },
    'token-auth-file': {
      type: 'string',
      placeholder: 'FILE',
      description: 'CSV of token,user,uid,"groups" for the API',
    },
    'history-seconds': {
      type: 'integer',
      placeholder: 'SECONDS',
      description: 'how far back a watch can resume (300)',
    },
    'anonymous-auth': { type: 'boolean', description: 'take requests without a credential (no)' },
    'authentication-config': {
      type: 'string',
      placeholder: 'FILE',
      description: "Kubernetes' AuthenticationConfiguration: issuers of tokens, anonymous requests",
    },
    'oidc-issuer-url': {
      type: 'string',
      placeholder: 'URL',
      description: 'OpenID Connect issuer whose tokens count',
    },
    'oidc-client-id': { type: 'string', placeholder: 'ID', description: 'whom its tokens must be for' },
    'oidc-username-claim': {
      type: 'string',
      placeholder: 'CLAIM',
      description: 'claim that is the user (sub)',
    },
    'oidc-username-prefix': {
      type: 'string',
      placeholder: 'PREFIX',
      description: "before the user's name (URL#); - is none",
    },
    'oidc-groups-claim': { type: 'string', placeholder: 'CLAIM', description: 'claim that holds groups' },
    'oidc-groups-prefix': { type: 'string', placeholder: 'PREFIX', description: "before the groups' names" },
    'oidc-required-claim': {
      type: 'strings',
      placeholder: 'CLAIM=VALUE',
      description: 'what a token must say; may repeat',
    },
    'oidc-signing-algs': {
      type: 'strings',
      placeholder: 'ALG',
      description: 'how tokens may be signed (RS256); may repeat',
    },
    'oidc-ca-file': { type: 'string', placeholder: 'FILE', description: "PEM of the issuer's authority" },
    'audit-policy-file': {
      type: 'string',
      placeholder: 'FILE',
      description: 'what is noted of requests (audit.k8s.io/v1 Policy)',
    },
    'audit-log-path': {
      type: 'string',
      placeholder: 'FILE',
      description: 'where it is noted, a JSON a line',
    },
    'audit-log-max-size': {
      type: 'integer',
      placeholder: 'MIB',
      description: 'size at which the file is put aside (100)',
    },
    'audit-log-max-backup': {
      type: 'integer',
      placeholder: 'COUNT',
      description: 'files put aside that are kept (0: all)',
    },
    'audit-log-max-age': {
      type: 'integer',
      placeholder: 'DAYS',
      description: 'how long they are kept (0: for ever)',
    },
    'service-cidr': {
      type: 'string',
      placeholder: 'CIDR',
      description: "network of the services' addresses (10.96.0.0/12)",
    },
    'service-node-port-range': {
      type: 'string',
      placeholder: 'FIRST-LAST',
      description: 'ports that services open on nodes (30000-32767)',
    },
    'log-level': { type: 'string', placeholder: 'LEVEL', description: 'debug, info, warn or error (info)' },
    'log-format': { type: 'string', placeholder: 'FORMAT', description: 'text or json (text)' },
  },
  async run(context, options) {
    const config = await explainFailure(async () =>
      parseServerConfig({
        file: options.config === undefined ? undefined : await readConfigFile(options.config),
        flags: camelCaseKeys({ ...options, config: undefined }),
      }),
    );
    const { clock, random, signal } = context;
    const log = context.log(config.logLevel, config.logFormat);
    const server = await explainFailure(() => runServer(config, { clock, random, log }));
    printReady(context, server, config.bind);
    await untilAborted(signal);
    await server[Symbol.asyncDispose]();
  },
});

function printReady(
  context: CommandContext,
  server: { apiUrl: string; mqttPort: number; kubeconfig: string },
  bind: string,
) {
  const loopback = bind.startsWith('127.') || bind === '::1';
  context.print(`Kubernetes API  ${server.apiUrl}`);
  context.print(`MQTT over TLS   ${bind}:${server.mqttPort}`);
  context.print(`Kubeconfig      ${server.kubeconfig}`);
  if (loopback) context.print('Only this machine can connect (loopback). To let devices in: --bind 0.0.0.0');
}

async function readConfigFile(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    const words = error instanceof Error ? error.message : String(error);
    throw new CommandError(`cannot read the config file: ${words}`, { cause: error });
  });
}

function camelCaseKeys(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key.replace(/-(\w)/g, (_match, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}
