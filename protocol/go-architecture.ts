/** Go's names for what Node calls otherwise; Kubernetes labels, images and versions use them. */
const goArchitectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
  mipsel: 'mipsle',
};

export function goArchitecture(nodeArchitecture: string): string {
  return goArchitectures[nodeArchitecture] ?? nodeArchitecture;
}
