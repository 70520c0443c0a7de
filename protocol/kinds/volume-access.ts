import type { StatusCause } from '../status.ts';
import { forbidden, invalidFor, notSupported, required, tooLong } from './cause.ts';
import { dnsSubdomain } from './name-rules.ts';

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

const driverNameLengthMax = 63;

/** The name of a CSI driver (source: k8s.io/kubernetes/pkg/apis/core/validation, ValidateCSIDriverName). */
export function validateDriverName(name: string | undefined, field: string): StatusCause[] {
  if (!name) return [required(field)];
  const long = name.length > driverNameLengthMax ? [tooLong(field, driverNameLengthMax)] : [];
  return [...long, ...invalidFor(field, name, dnsSubdomain(name.toLowerCase()))];
}
