import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { namespaceKind } from '../protocol/kinds/namespace.ts';
import { kinds } from '../protocol/kinds/registry.ts';
import { isStatus } from '../protocol/status.ts';
import { type ApiServer, startApiServer } from './api/api-server.ts';
import { authenticateByFirst } from './api/authenticator.ts';
import { authorizeByGroup } from './api/authorizer.ts';
import { parseTokenFile, refuseUnknownTokens, staticTokenAuthenticator } from './api/bearer-tokens.ts';
import { clientCertificateAuthenticator } from './api/client-certificate.ts';
import { versionInfo } from './api/version.ts';
import { startEmbeddedBroker } from './bus/embedded-broker.ts';
import { createCache } from './cache/create-cache.ts';
import type { ServerConfig } from './config/server-config.ts';
import { controllers } from './controllers/registry.ts';
import { runControllers } from './controllers/run-controllers.ts';
import { startNodes } from './nodes/start-nodes.ts';
import { createPodStreams } from './nodes/stream-sessions.ts';
import { createRegistry } from './registry/create-registry.ts';
import { createEventRecorder } from './registry/event-recorder.ts';
import type { Registry } from './registry/registry.ts';
import { schedulerPlugins } from './scheduler/registry.ts';
import { startScheduler } from './scheduler/scheduler.ts';
import { openLevelStore } from './store/level-store.ts';

/** The server's composition root: everything is made here, handed what it needs, and taken down in reverse order. */
export interface RunningServer extends AsyncDisposable {
  apiUrl: string;
  mqttPort: number;
  /** Path of the admin kubeconfig. */
  kubeconfig: string;
}

export interface ServerContext {
  clock: Clock;
  random: Random;
  log: Logger;
}

const builtInNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/**
 * Starts everything; resolves when the API and the broker answer. Rejects with a coded error (StoreError, ConfigError, an errno of the
 * operating system) when something is in the way, with nothing left running.
 */
export async function runServer(config: ServerConfig, context: ServerContext): Promise<RunningServer> {
  const parts = new AsyncDisposableStack();
  try {
    const running = await startParts(config, context, parts);
    return { ...running, [Symbol.asyncDispose]: () => parts.disposeAsync() };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

async function startParts(
  config: ServerConfig,
  context: ServerContext,
  parts: AsyncDisposableStack,
): Promise<Omit<RunningServer, typeof Symbol.asyncDispose>> {
  const { clock, random, log } = context;
  await mkdir(config.data, { recursive: true, mode: 0o700 });
  const store = parts.use(await openLevelStore({ directory: join(config.data, 'store'), clock, log, random }));
  const registry = createRegistry({ store, clock, random, log, kinds });
  await ensureNamespaces(registry);
  const cache = parts.use(createCache({ registry, clock, log }));
  const identity = await openIdentity({ directory: join(config.data, 'pki'), clock, names: [...config.advertise, config.bind] });
  const bus = parts.use(await startBus(config, context, { registry, identity }));
  const podStreams = parts.use(createPodStreams({ bus, clock, random, log }));
  const api = parts.adopt(await startApi(config, context, { registry, identity, podStreams }), (server) => server.close());
  parts.use(await runControllers(controllers, { registry, cache, kinds, clock, random, log }));
  const events = createEventRecorder({ registry, clock, log, component: 'default-scheduler' });
  parts.use(await startScheduler({ registry, cache, clock, log, events, plugins: schedulerPlugins }));
  parts.use(await startNodes({ registry, cache, bus, clock, random, log }));
}

async function ensureNamespaces(registry: Registry): Promise<void> {
  for (const name of builtInNamespaces) {
    await registry.create(namespaceKind, { metadata: { name } }).catch((error: unknown) => {
      if (!isStatus(error, 'AlreadyExists')) throw error;
    });
  }
}
