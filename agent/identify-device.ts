import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { AgentError } from './agent-error.ts';
import { clockTrusted } from './host/clock-trust.ts';
import { type DeviceIdentity, loadDeviceIdentity } from './link/device-identity.ts';
import { createDialer } from './link/dialer.ts';
import { createMqttLink } from './link/mqtt-link.ts';
import type { AgentIdentity } from './main.ts';

export interface IdentifyOptions {
  dataDir: string;
  server: { host: string; port: number };
  name: string;
  joinToken: string | undefined;
  clock: Clock;
  random: Random;
  log: Logger;
  signal: AbortSignal;
}

/**
 * Who this device is: from its disk, without any network, once it has joined; before that by joining with the
 * token. Rejects with an AgentError or a LinkError that says what to do.
 */
export async function identifyDevice(options: IdentifyOptions): Promise<AgentIdentity> {
  const { dataDir, server, name, clock, random, log } = options;
  const directory = join(dataDir, 'identity');
  const isClockTrusted = () => clockTrusted(clock.now());
  const device = (await loadDeviceIdentity(directory)) ?? (await joinNow(options, directory, isClockTrusted));
  if (device.node !== name) {
    throw new AgentError(
      'BadConfig',
      `${dataDir} belongs to node ${device.node}: start the agent with --name ${device.node}, or use another folder`,
    );
  }
  const dial = createDialer({ server, credentials: async () => device, clockTrusted: isClockTrusted, clock });
  return {
    cluster: device.cluster,
    credentials: device,
    openLink: ({ connectionsBefore }) =>
      createMqttLink({ cluster: device.cluster, node: name, dial, connectionsBefore, clock, random, log }),
  };
}

async function joinNow(
  options: IdentifyOptions,
  directory: string,
  isClockTrusted: () => boolean,
): Promise<DeviceIdentity> {
  const { server, name, joinToken, clock, random, log, signal } = options;
  if (joinToken === undefined) {
    throw new AgentError(
      'BadConfig',
      'this device has not joined a cluster yet: start it with --join TOKEN (flotilla token create makes one)',
    );
  }
  // Loaded only now: a running agent does not carry what it needs once.
  const { joinCluster } = await import('./link/join.ts');
  return joinCluster({
    server,
    token: joinToken,
    node: name,
    directory,
    clockTrusted: isClockTrusted,
    clock,
    random,
    log,
    signal,
  });
}
