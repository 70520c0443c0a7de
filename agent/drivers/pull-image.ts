import type { PulledImage, PullOptions } from './driver.ts';
import { DriverError } from './errors.ts';
import { isImageReference, isLocalOnly } from './oci/image-reference.ts';

export interface ImageSteps {
  /** Undefined when it is not on this device. */
  find: (image: string, signal: AbortSignal) => Promise<PulledImage | undefined>;
  fetch: (image: string, options: PullOptions) => Promise<PulledImage>;
}

/** What a pull policy means, whoever fetches. @throws DriverError */
export async function pullImage(
  image: string,
  options: PullOptions,
  { find, fetch }: ImageSteps,
): Promise<PulledImage> {
  const { policy, signal } = options;
  if (!isImageReference(image)) throw invalidName(image);
  const asksAlways = policy === 'Always' && !isLocalOnly(image);
  const present = asksAlways ? undefined : await find(image, signal);
  if (present) return present;
  if (policy === 'Never')
    throw new DriverError(
      'ErrImageNeverPull',
      `Container image "${image}" is not present with pull policy of Never`,
    );
  if (isLocalOnly(image))
    throw new DriverError('ErrImagePull', `${image} is not on this device, and localhost/ is no registry`);
  const fetching = options.fetching ?? ((fetchNow) => fetchNow());
  return fetching(async () => {
    // Another pod may have fetched it while this one waited for its turn.
    const fetched = asksAlways ? undefined : await find(image, signal);
    return fetched ?? fetch(image, options);
  });
}

export function invalidName(image: string): DriverError {
  const name = JSON.stringify(image);
  return new DriverError(
    'InvalidImageName',
    `Failed to apply default image tag ${name}: couldn't parse image name ${name}: invalid reference format`,
  );
}
