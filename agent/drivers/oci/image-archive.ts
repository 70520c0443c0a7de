import { createHash } from 'node:crypto';
import { type TarEntry, tarArchive } from './tar.ts';

export interface ImageContent {
  /** With its tag. */
  name: string;
  /** In Go's words: `amd64`, `arm64`, `arm`. */
  architecture: string;
  variant?: string;
  files: readonly TarEntry[];
  config: { Entrypoint?: readonly string[]; Cmd?: readonly string[]; StopSignal?: string };
}

const never = '1970-01-01T00:00:00Z';

/**
 * What `load` of podman, docker and nerdctl takes: a docker-archive with one layer. Equal content gives equal
 * bytes.
 */
export function imageArchive({ name, architecture, variant, files, config }: ImageContent): Uint8Array {
  const layer = tarArchive(files);
  const description = JSON.stringify({
    architecture,
    ...(variant === undefined ? {} : { variant }),
    os: 'linux',
    created: never,
    config,
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created: never, created_by: 'flotilla' }],
  });
  const configName = `${sha256(description)}.json`;
  const manifest = JSON.stringify([{ Config: configName, RepoTags: [name], Layers: ['layer.tar'] }]);
  return tarArchive([
    { name: configName, data: Buffer.from(description), mode: 0o644 },
    { name: 'layer.tar', data: layer, mode: 0o644 },
    { name: 'manifest.json', data: Buffer.from(manifest), mode: 0o644 },
  ]);
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
