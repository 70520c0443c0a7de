/** What `/version` tells: the Kubernetes release whose API is served, and our own version behind it. */
export interface VersionInfo {
  major: string;
  minor: string;
  gitVersion: string;
  gitCommit: string;
  gitTreeState: string;
  buildDate: string;
  goVersion: string;
  compiler: string;
  platform: string;
}

/** The release that protocol/generated was derived from. */
const kubernetesMinor = '36';

/** `flotilla` is our version, such as `0.1.0`; the rest may be empty when it is not known. */
export function versionInfo(options: {
  flotilla: string;
  commit?: string;
  buildDate?: string;
  platform: string;
}): VersionInfo {
  return {
    major: '1',
    minor: kubernetesMinor,
    gitVersion: `v1.${kubernetesMinor}.0+flotilla-${options.flotilla}`,
    gitCommit: options.commit ?? '',
    gitTreeState: options.commit ? 'clean' : '',
    buildDate: options.buildDate ?? '1970-01-01T00:00:00Z',
    goVersion: `node${process.versions.node}`,
    compiler: 'v8',
    platform: options.platform,
  };
}
