import { chmod, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerHandle, ContainerMount, ContainerSpec, HostsFile, ResolverFile } from '../driver.ts';

/**
 * Small files of the host that a container sees at places of its own: where it leaves its last word, and its names
 * of hosts and name servers. One folder a container, `<stateDir>/oci/<pod uid>/<container>.<attempt>/`; the names
 * have passed as parts of the container's name.
 */
type Attempt = Pick<ContainerHandle, 'podUid' | 'container' | 'attempt'>;

/** More than any limit on what is shown of it. */
const messageBytesMax = 4096;

function folderOf(root: string, { podUid, container, attempt }: Attempt): string {
  return join(root, podUid, `${container}.${attempt}`);
}

/** Makes what the container is to see; a file that a volume brings goes before. */
export async function makeContainerFiles(root: string, spec: ContainerSpec): Promise<ContainerMount[]> {
  const folder = folderOf(root, spec);
  const files = [
    { name: 'termination-log', target: spec.terminationMessagePath, text: () => '' },
    { name: 'hosts', target: spec.hosts && '/etc/hosts', text: () => hostsText(spec.hosts) },
    {
      name: 'resolv.conf',
      target: spec.resolver && '/etc/resolv.conf',
      text: () => resolverText(spec.resolver),
    },
  ];
  const mounts: ContainerMount[] = [];
  for (const { name, target, text } of files) {
    if (target === undefined || spec.mounts.some((mount) => mount.target === target)) continue;
    const source = join(folder, name);
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await writeFile(source, await text());
    // Whoever the container runs as may leave a message.
    await chmod(source, name === 'termination-log' ? 0o666 : 0o644);
    mounts.push({ source, target, readOnly: false, propagation: 'private' });
  }
  return mounts;
}

/** What the container has written, its end if that is too long; '' when nothing. */
export async function readTerminationMessage(root: string, attempt: Attempt): Promise<string> {
  return readEnd(join(folderOf(root, attempt), 'termination-log'));
}

export async function readEnd(path: string): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const length = Math.min(size, messageBytesMax);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.subarray(0, bytesRead).toString();
  } finally {
    await file.close();
  }
}

export async function removeContainerFiles(root: string, attempt: Attempt): Promise<void> {
  await rm(folderOf(root, attempt), { recursive: true, force: true });
}

export async function removePodFiles(root: string, podUid: string): Promise<void> {
  await rm(join(root, podUid), { recursive: true, force: true });
}

async function hostsText(hosts: HostsFile | undefined): Promise<string> {
  if (!hosts?.ofHost) return hosts?.text ?? '';
  return `# Kubernetes-managed hosts file (host network).\n${await hostFile('/etc/hosts')}${hosts.text}`;
}

async function hostFile(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

async function resolverText(resolver: ResolverFile | undefined): Promise<string> {
  if (!resolver) return '';
  return mergeResolver(resolver.ofHost ? await hostFile('/etc/resolv.conf') : '', resolver);
}

/** The pod's own words after the host's, each once; an option of the pod's goes before the host's of that name. */
export function mergeResolver(hostText: string, own: Omit<ResolverFile, 'ofHost'>): string {
  const words = (keyword: string) =>
    hostText
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([first]) => first === keyword)
      .map(([, ...rest]) => rest);
  const nameservers = [...new Set([...words('nameserver').flat(), ...own.nameservers])];
  const searches = [...new Set([...(words('search').at(-1) ?? []), ...own.searches])];
  const nameOf = (option: string) => option.split(':')[0];
  const overridden = new Set(own.options.map(nameOf));
  const kept = words('options')
    .flat()
    .filter((option) => !overridden.has(nameOf(option)));
  const options = [...kept, ...own.options];
  return [
    ...(searches.length > 0 ? [`search ${searches.join(' ')}`] : []),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    '',
  ].join('\n');
}
