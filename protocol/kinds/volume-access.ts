import type { StatusCause } from '../status.ts';
import { forbidden, notSupported, required } from './cause.ts';

/** What volumes and the claims to them have in common. */
export const volumeModes = ['Block', 'Filesystem'];

const accessModes: Readonly<Record<string, string>> = {
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOnce: 'RWO',
  ReadWriteOncePod: 'RWOP',
};
const shownOrder = ['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOncePod'];

/** `RWO,ROX`. */
export function accessModesText(modes: readonly string[] | undefined): string {
  const known = shownOrder.filter((mode) => modes?.includes(mode));
  return known.map((mode) => accessModes[mode]).join(',');
}

export function validateAccessModes(modes: readonly string[] | undefined, field: string): StatusCause[] {
  if (!modes || modes.length === 0) return [required(field, 'at least 1 access mode is required')];
  const causes = modes
    .filter((mode) => !Object.hasOwn(accessModes, mode))
    .map((mode) => notSupported(field, mode, Object.keys(accessModes)));
  if (modes.includes('ReadWriteOncePod') && modes.length > 1) {
    causes.push(forbidden(field, 'may not use ReadWriteOncePod with other access modes'));
  }
  return causes;
}
