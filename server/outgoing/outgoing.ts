import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { Cache } from '../cache/informer.ts';
import { createHttpsClient, type HttpsClient } from './https-client.ts';
import { followServiceAddresses, type ServiceAddresses } from './service-address.ts';

/** How the server reaches others. */
export interface Outgoing extends Disposable {
  client: HttpsClient;
  /** Works once the cache has synced. */
  addresses: ServiceAddresses;
}

export function createOutgoing({
  cache,
  clock,
  random,
}: {
  cache: Cache;
  clock: Clock;
  random: Random;
}): Outgoing {
  const client = createHttpsClient(clock);
  return {
    client,
    addresses: followServiceAddresses(cache, random),
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}
