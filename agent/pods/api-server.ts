import type { Service } from '../../protocol/generated/models.ts';
import type { PodTokens } from '../volumes/pod-tokens.ts';
import type { ServiceSources } from './service-variables.ts';

export interface ApiServerOptions {
  /** As the device was told where to find the bus. */
  server: { host: string };
  tokens: Pick<PodTokens, 'apiPort'>;
  find: (key: string) => object | undefined;
  /** The node's own addresses. */
  monitor: { readonly ips: readonly string[] };
}

/**
 * Where pods find the API: at the host where the device finds the bus, by the port that came with their token or, for
 * a pod without one, that the service `kubernetes` names. A server on this very device is not on the loopback of a
 * container: that is sent to the device's own address, where the server has to listen (`--bind`).
 */
export function findApiServer(options: ApiServerOptions): ServiceSources['apiServer'] {
  const { server, tokens, find, monitor } = options;
  return (podUid, { sharesHost }) => {
    const service: Service | undefined = find('Service/default/kubernetes');
    const named = service?.spec?.ports?.[0]?.targetPort;
    const port = tokens.apiPort(podUid) ?? (typeof named === 'number' ? named : undefined);
    if (port === undefined) return undefined;
    const own = isLoopback(server.host) && !sharesHost ? monitor.ips[0] : undefined;
    return { host: own ?? server.host, port };
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
