import { createHash } from 'node:crypto';
import { type PauseArchitecture, pauseProgram } from './pause-program.ts';
import { tarArchive } from './tar.ts';

/** Changes with the image's content: an old one of ours must not be taken for the new. */
export const pauseImage = 'localhost/flotilla-pause:1';

/** What `load` of podman, docker and nerdctl takes: a docker-archive with one layer that holds /pause. */
export function pauseImageArchive(architecture: PauseArchitecture): Uint8Array {
  const layer = tarArchive([{ name: 'pause', data: pauseProgram(architecture), mode: 0o755 }]);
  const config = JSON.stringify({
    architecture,
    ...(architecture === 'arm' ? { variant: 'v6' } : {}),
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: { Entrypoint: ['/pause'], StopSignal: 'SIGTERM' },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created: '1970-01-01T00:00:00Z', created_by: 'flotilla' }],
  });
  const configName = `${sha256(config)}.json`;
  const manifest = [{ Config: configName, RepoTags: [pauseImage], Layers: ['layer.tar'] }];
  return tarArchive([
    { name: configName, data: Buffer.from(config), mode: 0o644 },
    { name: 'layer.tar', data: layer, mode: 0o644 },
    { name: 'manifest.json', data: Buffer.from(JSON.stringify(manifest)), mode: 0o644 },
  ]);
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
