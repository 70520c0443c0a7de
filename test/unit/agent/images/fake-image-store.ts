import type { ImageStore, StoredImage } from '../../../../agent/drivers/driver.ts';

/** Images in a list; the disk that they lie on is where the test says. */
export class FakeImageStore implements ImageStore {
  images: StoredImage[];
  /** Ids of images that a container uses. */
  readonly used = new Set<string>();
  readonly loaded: string[] = [];
  loadError: Error | undefined;
  folder = '/';

  constructor(...images: StoredImage[]) {
    this.images = images;
  }

  async list(): Promise<StoredImage[]> {
    return [...this.images];
  }

  async remove({ imageId }: StoredImage): Promise<boolean> {
    if (this.used.has(imageId)) return false;
    this.images = this.images.filter((image) => image.imageId !== imageId);
    return true;
  }

  async load(path: string): Promise<string[]> {
    if (this.loadError) throw this.loadError;
    this.loaded.push(path);
    return ['docker.io/library/app:1'];
  }

  async root(): Promise<string> {
    return this.folder;
  }
}

export function stored(name: string, sizeBytes = 1_000_000): StoredImage {
  const digest = `${name.replace(/:[^/:]+$/, '')}@sha256:${'1'.repeat(64)}`;
  return { imageId: name, tags: [name], digests: [digest], sizeBytes };
}
