import { imageArchive } from './image-archive.ts';
import { type PauseArchitecture, pauseProgram } from './pause-program.ts';

/** Its tag changes with its content: an old one of ours must not be taken for the new. */
export const pauseImage = 'localhost/flotilla-pause:2';

export function pauseImageArchive(architecture: PauseArchitecture): Uint8Array {
  return imageArchive({
    name: pauseImage,
    architecture,
    ...(architecture === 'arm' ? { variant: 'v6' } : {}),
    files: [{ name: 'pause', data: pauseProgram(architecture), mode: 0o755 }],
    config: { Entrypoint: ['/pause'], StopSignal: 'SIGTERM' },
  });
}
