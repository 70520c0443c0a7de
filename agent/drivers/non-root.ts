import type { ContainerSecurity } from './driver.ts';
import { DriverError } from './errors.ts';

/**
 * Holds a container that must not run as root against the user it would run as: a number of the pod's, or whatever
 * the image says (a name cannot be judged). The words are kubelet's.
 *
 * @throws DriverError `CreateContainerConfigError`.
 */
export async function requireNonRoot(
  { nonRoot, user }: ContainerSecurity,
  imageUser: () => Promise<string>,
): Promise<void> {
  if (nonRoot === undefined) return;
  if (user === 0) throw refused(`container's runAsUser breaks non-root policy ${nonRoot}`);
  if (user !== undefined) return;
  const [named = ''] = (await imageUser()).split(':');
  if (named === '' || Number(named) === 0)
    throw refused(`container has runAsNonRoot and image will run as root ${nonRoot}`);
  if (/^\d+$/.test(named)) return;
  const why = `container has runAsNonRoot and image has non-numeric user (${named}), cannot verify user is non-root`;
  throw refused(`${why} ${nonRoot}`);
}

function refused(message: string): DriverError {
  return new DriverError('CreateContainerConfigError', message);
}
