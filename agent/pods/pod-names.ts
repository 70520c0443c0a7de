import type { Pod } from '../../protocol/generated/models.ts';
import type { HostsFile, ResolverFile } from '../drivers/driver.ts';

/** What a pod is called and what it calls others, as kubelet writes it down for the containers. Pure. */

/** The domain of names inside a cluster. */
const clusterDomain = 'cluster.local';
const labelLengthMax = 63;
const hostnameLengthMax = 64;

export function podHostname(pod: Pod, nodeHostname: string): string {
  const { spec } = pod;
  if (spec?.hostNetwork) return nodeHostname;
  if (spec?.hostnameOverride) return spec.hostnameOverride;
  return (spec?.setHostnameAsFQDN ? qualifiedName(pod) : undefined) ?? shortName(pod);
}

/** Why the kernel cannot have the name that the pod asks for, in kubelet's words; undefined when it can. */
export function hostnameProblem(pod: Pod): string | undefined {
  const name = pod.spec?.setHostnameAsFQDN && !pod.spec.hostNetwork ? qualifiedName(pod) : undefined;
  if (name === undefined || name.length <= hostnameLengthMax) return undefined;
  return `Failed to construct FQDN from pod hostname and cluster domain, FQDN ${name} is too long (${hostnameLengthMax} characters is the max, ${name.length} characters requested)`;
}

/** One label of DNS. */
function shortName({ metadata, spec }: Pod): string {
  return (spec?.hostname ?? metadata?.name ?? '').slice(0, labelLengthMax).replace(/[-.]+$/, '');
}

function qualifiedName(pod: Pod): string | undefined {
  const { metadata, spec } = pod;
  if (!spec?.subdomain || spec.hostnameOverride) return undefined;
  return `${shortName(pod)}.${spec.subdomain}.${metadata?.namespace ?? ''}.svc.${clusterDomain}`;
}

/** Undefined where the runtime's own file does. */
export function hostsFile(pod: Pod, podIps: readonly string[]): HostsFile | undefined {
  const { hostAliases = [], hostNetwork = false, subdomain, hostnameOverride } = pod.spec ?? {};
  if (hostAliases.length === 0 && (hostNetwork || !subdomain)) return undefined;
  const aliases =
    hostAliases.length === 0
      ? []
      : [
          '',
          '# Entries added by HostAliases.',
          ...hostAliases.map(({ ip, hostnames = [] }) => [ip, ...hostnames].join('\t')),
        ];
  if (hostNetwork) return { ofHost: true, text: [...aliases, ''].join('\n') };
  const short = hostnameOverride || shortName(pod);
  const qualified = qualifiedName(pod);
  const names = qualified === undefined ? [short] : [qualified, short];
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...podIps.map((ip) => [ip, ...names].join('\t')),
    ...aliases,
  ];
  return { ofHost: false, text: `${lines.join('\n')}\n` };
}

/** Undefined where the runtime's own file does. With `None` only the pod's own words count. */
export function resolverFile({ spec }: Pod): ResolverFile | undefined {
  const { dnsPolicy, dnsConfig } = spec ?? {};
  if (!dnsConfig && dnsPolicy !== 'None') return undefined;
  return {
    ofHost: dnsPolicy !== 'None',
    nameservers: dnsConfig?.nameservers ?? [],
    searches: dnsConfig?.searches ?? [],
    options: (dnsConfig?.options ?? []).map(({ name = '', value }) =>
      value === undefined ? name : `${name}:${value}`,
    ),
  };
}
