import assert from 'node:assert/strict';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { encodeMessage } from '../../protocol/codec.ts';
import type { Limits } from '../../protocol/limits.ts';
import { aclFor } from '../../protocol/topics/acl.ts';
import { digestTopic } from '../../protocol/topics/sync.ts';
import type { Authenticator } from '../../server/bus/broker-hooks.ts';
import { startEmbeddedBroker } from '../../server/bus/embedded-broker.ts';
import { eventually } from './eventually.ts';
import { packets, RawClient } from './raw-mqtt.ts';
import { makeIdentity } from './test-identity.ts';

/** CONNACK's return codes; 6 is aedes' own. */
export const connack = {
  accepted: 0,
  identifierRejected: 2,
  unavailable: 3,
  badToken: 4,
  notAuthorized: 5,
  keepalive: 6,
};
/** In a SUBACK. */
export const refused = 0x80;
export const hello = { epoch: 'e', revision: 1, hash: '0123456789abcdef' };
export const [digestPayload = new Uint8Array()] = encodeMessage(digestTopic, hello);
export const up = (node: string, name: string) => `flotilla/c1/nodes/${node}/up/${name}`;
export const down = (node: string, name: string) => `flotilla/c1/nodes/${node}/down/${name}`;
export const controlFilters = (node: string) =>
  aclFor('c1', { connection: 'control', node }).subscriptions.map(({ filter }) => filter);

/** A broker behind TLS on a free port, and clients for it of every kind. */
export async function startBroker(
  options: { limits?: Partial<Limits>; authenticator?: Partial<Authenticator> } = {},
) {
  const keys = await makeIdentity();
  const bus = await startEmbeddedBroker({
    cluster: 'c1',
    authenticator: { device: async () => true, join: async () => 'refused', ...options.authenticator },
    clock: systemClock,
    log: silentLogger,
    listen: { tls: keys.identity.server, bind: '127.0.0.1', port: 0 },
    ...(options.limits && { limits: options.limits }),
  });
  const clients: RawClient[] = [];
  const digests: string[] = [];
  bus.subscribe(digestTopic, (_message, { node }) => void digests.push(node ?? ''));
  const open = async (tls: { ca: string; key?: string; cert?: string }) => {
    const client = await RawClient.open(bus.port, tls);
    clients.push(client);
    return client;
  };
  return {
    bus,
    keys,
    digests,
    open,
    anonymous: () => open({ ca: keys.identity.caCertificate }),
    device: (node: string) => open(keys.device(node)),
    /** A device's control connection, subscribed to all that it needs. */
    async connected(node: string, certificate = keys.device(node)) {
      const client = await open(certificate);
      assert.equal(await client.connect({ clientId: node }), connack.accepted);
      const granted = await client.subscribe(controlFilters(node));
      assert.ok(granted.every((code) => code !== refused));
      return client;
    },
    /** The broker takes an honest device's message. */
    async assertServes() {
      const client = await this.connected('honest');
      const before = digests.filter((node) => node === 'honest').length;
      client.send(packets.publish(up('honest', 'digest'), digestPayload));
      await eventually(
        () => digests.filter((node) => node === 'honest').length > before,
        'an honest message',
      );
      client.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy();
      await bus[Symbol.asyncDispose]();
      await keys[Symbol.asyncDispose]();
    },
  };
}

/** Text that does not compress to nothing. */
export function noise(bytes: number): string {
  let state = 3;
  let text = '';
  while (text.length < bytes) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    text += state.toString(36);
  }
  return text;
}
