import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';

export type NetworkInterfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Of container engines and virtual machines: nobody outside reaches them. */
const inward = /^(docker|podman|cni|veth|br-|virbr|flannel|cali|lxc|nerdctl)/;

/**
 * The node's addresses, the one that faces the server first: `facing` if it is one of ours, else that of the
 * interface with the default route (`routes` is the text of /proc/net/route), else any. IPv6 only when global, one
 * per interface.
 */
export function nodeIps(
  interfaces: NetworkInterfaces,
  { facing, routes }: { facing: string | undefined; routes: string },
): string[] {
  const outward = Object.entries(interfaces).filter(([name]) => !inward.test(name));
  const found = outward.flatMap(([name, list = []]) => {
    const external = list.filter(({ internal }) => !internal).map(({ address }) => address);
    const v6 = external.filter((address) => isIP(address) === 6 && !/^f[ef]/i.test(address)).sort();
    return [...external.filter((address) => isIP(address) === 4), ...v6.slice(0, 1)].map((address) => ({
      name,
      address,
    }));
  });
  const defaultInterface = interfaceOfDefaultRoute(routes);
  const rank = ({ name, address }: { name: string; address: string }) => {
    if (address === facing) return 0;
    const version = isIP(address) === 4 ? 0 : 1;
    return (name === defaultInterface ? 1 : 3) + version;
  };
  return found
    .sort((one, other) => rank(one) - rank(other) || (one.address < other.address ? -1 : 1))
    .map(({ address }) => address);
}

/** The one with the lowest metric. */
function interfaceOfDefaultRoute(routes: string): string | undefined {
  const defaults = routes
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')
    .sort((one, other) => Number(one[6]) - Number(other[6]));
  return defaults[0]?.[0];
}

/** The local address from which the server would be reached; sends nothing. Undefined when there is no way. */
export function addressFacing(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4');
    const finish = (address: string | undefined) => {
      socket.close();
      resolve(address);
    };
    socket.once('error', () => finish(undefined));
    const connected = (error?: Error) => finish(error ? undefined : socket.address().address);
    socket.connect(port, host, connected);
  });
}
