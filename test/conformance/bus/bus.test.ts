import type { Duplex } from 'node:stream';
import type { Link } from '../../../agent/link/link.ts';
import { createMqttLink } from '../../../agent/link/mqtt-link.ts';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { systemRandom } from '../../../lib/random.ts';
import { startEmbeddedBroker } from '../../../server/bus/embedded-broker.ts';
import { MemoryBus } from '../../../server/bus/memory-bus.ts';
import { MemoryLink } from '../../sim/memory-link.ts';
import { eventually } from '../../support/eventually.ts';
import { socketPair } from '../../support/socket-pair.ts';
import { busSuite } from './bus-suite.ts';

busSuite('embedded broker', async () => {
  const bus = await startEmbeddedBroker({
    cluster: 'c1',
    authenticator: { device: async () => true, join: async () => 'refused' },
    clock: systemClock,
    log: silentLogger,
  });
  const links: Link[] = [];
  const sockets = new Map<string, Duplex>();
  return {
    bus,
    async connect(node) {
      const link = createMqttLink({
        cluster: 'c1',
        node,
        dial: async () => {
          const [device, broker] = socketPair();
          bus.attach(broker, { node });
          sockets.set(node, device);
          return device;
        },
        clock: systemClock,
        random: systemRandom,
        log: silentLogger,
        limits: { reconnectMinMs: 5 },
      });
      links.push(link);
      link.start();
      await eventually(() => link.connected, `${node} connects`);
      return link;
    },
    cut: (node) => void sockets.get(node)?.destroy(),
    async [Symbol.asyncDispose]() {
      await Promise.all(links.map((link) => link[Symbol.asyncDispose]()));
      await bus[Symbol.asyncDispose]();
    },
  };
});

busSuite('memory bus', async () => {
  const bus = new MemoryBus({ cluster: 'c1', log: silentLogger });
  const links = new Map<string, MemoryLink>();
  return {
    bus,
    async connect(node) {
      const link = new MemoryLink({ bus, node, log: silentLogger });
      links.set(node, link);
      link.start();
      return link;
    },
    cut(node) {
      links.get(node)?.setOnline(false);
      links.get(node)?.setOnline(true);
    },
    async [Symbol.asyncDispose]() {
      for (const link of links.values()) await link[Symbol.asyncDispose]();
      await bus[Symbol.asyncDispose]();
    },
  };
});
