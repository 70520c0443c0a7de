import { hostAddresses } from '../drivers/host-addresses.ts';

/**
 * Where a pod is reached from the device. One that shares the device's own network is reached whatever network that
 * is in at the moment: losing the Wi-Fi must not look like a failed probe.
 */
export function podAddress({ podIp, sharesHost }: { podIp: string; sharesHost: boolean }): string {
  if (!sharesHost) return podIp;
  return hostAddresses().includes(podIp) ? podIp : '127.0.0.1';
}
