import type { ImageStore, StoredImage } from '../driver.ts';
import { DriverError } from '../errors.ts';
import { type EngineAnswer, type EngineCall, engineTimeoutMs } from './engine.ts';
import { normalImageId } from './inspect-output.ts';
import { pauseImage } from './pause-image.ts';

type Call = (args: readonly string[], call?: Partial<EngineCall>) => Promise<EngineAnswer>;

/** More than this an engine is not asked about: a device does not have them. */
const imagesMax = 1_000;

/** The images of an engine, by the words that podman, docker and nerdctl share. */
export function createImageStore(options: {
  call: Call;
  /** Folder of what the engine stores; undefined when it does not say. */
  root: () => Promise<string | undefined>;
  /** Images may have gone. */
  onRemoved: () => void;
}): ImageStore {
  const { call, root, onRemoved } = options;
  return {
    root,
    async list() {
      const asked = await call(['images', '--quiet', '--no-trunc'], { timeoutMs: engineTimeoutMs.query });
      if (asked.exitCode !== 0) throw new DriverError('RuntimeUnavailable', asked.message);
      const ids = [...new Set(asked.stdout.split('\n').map((line) => line.trim()))].filter((id) => id !== '');
      if (ids.length === 0) return [];
      const args = ['image', 'inspect', ...ids.slice(0, imagesMax)];
      // One that has gone meanwhile fails the call; what is there is told all the same.
      return parseStoredImages((await call(args, { timeoutMs: engineTimeoutMs.query })).stdout);
    },
    async remove({ imageId, tags }) {
      const filter = `ancestor=${imageId.replace(/^sha256:/, '')}`;
      const users = await call(['ps', '--all', '--quiet', '--filter', filter]);
      if (users.exitCode !== 0 || users.stdout.trim() !== '') return false;
      // By every name that it has: by its id an engine removes one with several names by force only.
      const { exitCode } = await call(['image', 'rm', ...(tags.length > 0 ? tags : [imageId])]);
      onRemoved();
      return exitCode === 0;
    },
    async load(path, signal) {
      const answer = await call(['load', '--input', path], { timeoutMs: engineTimeoutMs.pull, signal });
      if (answer.exitCode !== 0) throw new DriverError('ErrImagePull', answer.message);
      return parseLoaded(answer.stdout);
    },
  };
}

interface Inspected {
  Id?: string;
  Size?: number;
  RepoTags?: string[] | null;
  RepoDigests?: string[] | null;
}

/** From the text of `image inspect`. */
export function parseStoredImages(text: string): StoredImage[] {
  let images: Inspected[];
  try {
    images = JSON.parse(text) as Inspected[];
  } catch {
    return [];
  }
  return images.flatMap(({ Id, Size = 0, RepoTags, RepoDigests }) => {
    const tags = (RepoTags ?? []).filter((tag) => !tag.includes('<none>'));
    if (Id === undefined || tags.includes(pauseImage)) return [];
    const digests = (RepoDigests ?? []).filter((digest) => !digest.includes('<none>'));
    return [{ imageId: normalImageId(Id), tags, digests, sizeBytes: Size }];
  });
}

/** `Loaded image: x`, or `Loaded image(s): x, y`. */
export function parseLoaded(stdout: string): string[] {
  return stdout.split('\n').flatMap((line) => {
    const names = /^Loaded image(?:\(s\)| ID)?: (.+)$/.exec(line.trim())?.[1] ?? '';
    return names.split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
  });
}
