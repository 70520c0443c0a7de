import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JoinOptions, joinCluster } from '../../agent/link/join.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { systemRandom } from '../../lib/random.ts';
import { type NewTokenOptions, newJoinToken } from '../../protocol/join-token.ts';
import { namespaceKind } from '../../protocol/kinds/namespace.ts';
import { kinds } from '../../protocol/kinds/registry.ts';
import { secretKind } from '../../protocol/kinds/secret.ts';
import { startEmbeddedBroker } from '../../server/bus/embedded-broker.ts';
import { createJoinService } from '../../server/identity/join-service.ts';
import { createRegistry } from '../../server/registry/create-registry.ts';
import { createMemoryStore } from '../../server/store/memory-store.ts';
import { makeIdentity } from './test-identity.ts';

/** A server as far as joining goes: registry, keys, broker and join service, all real; the store is in memory. */
export async function startJoinServer({ clock = systemClock }: { clock?: Clock } = {}) {
  const keys = await makeIdentity({ clock });
  const common = { clock, random: systemRandom, log: silentLogger };
  const store = createMemoryStore({ clock });
  const registry = createRegistry({ store, kinds, ...common });
  await registry.create(namespaceKind, { metadata: { name: 'kube-system' } });
  const service = createJoinService({ registry, identity: keys.identity, ...common });
  const bus = await startEmbeddedBroker({
    cluster: 'c1',
    authenticator: service,
    listen: { tls: keys.identity.server, bind: '127.0.0.1', port: 0 },
    ...common,
  });
  const serving = service.serve(bus);
  const directories: string[] = [];
  const newDirectory = async () => {
    const directory = await mkdtemp(join(tmpdir(), 'flotilla-join-'));
    directories.push(directory);
    return directory;
  };
  return {
    bus,
    keys,
    registry,
    server: { host: '127.0.0.1', port: bus.port },
    newDirectory,
    /** Makes a token and stores it, as the command does. */
    async token(options: Partial<NewTokenOptions> = {}) {
      const caCertificate = keys.identity.caCertificate;
      const { token, secret } = newJoinToken({
        caCertificate,
        random: systemRandom,
        now: clock.now(),
        singleUse: false,
        ...options,
      });
      await registry.create(secretKind, secret);
      return token;
    },
    /** Joins from a folder of its own, unless one is given. */
    async join(options: { token: string; node: string } & Partial<JoinOptions>) {
      return joinCluster({
        server: { host: '127.0.0.1', port: bus.port },
        directory: options.directory ?? (await newDirectory()),
        clockTrusted: () => true,
        ...common,
        ...options,
      });
    },
    async [Symbol.asyncDispose]() {
      serving[Symbol.dispose]();
      await bus[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]?.();
      await keys[Symbol.asyncDispose]();
      for (const directory of directories) await rm(directory, { recursive: true, force: true });
    },
  };
}
