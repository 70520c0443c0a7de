import { DriverError } from '../errors.ts';
import { type EngineAnswer, type EngineCall, engineTimeoutMs } from './engine.ts';
import { imageArchive } from './image-archive.ts';
import { type PauseArchitecture, pauseArchitecture, pauseProgram } from './pause-program.ts';

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

/** Gives the image to the engine. @throws DriverError `CreatePodSandboxError`. */
export async function loadPauseImage(
  call: (args: readonly string[], call: Partial<EngineCall>) => Promise<EngineAnswer>,
): Promise<void> {
  const architecture = pauseArchitecture(process.arch);
  if (!architecture)
    throw new DriverError('CreatePodSandboxError', `no pause program for this processor (${process.arch})`);
  const input = pauseImageArchive(architecture);
  const answer = await call(['load'], { timeoutMs: engineTimeoutMs.load, input });
  if (answer.exitCode !== 0)
    throw new DriverError('CreatePodSandboxError', `the pause image cannot be loaded: ${answer.message}`);
}
