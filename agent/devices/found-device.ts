import { createHash } from 'node:crypto';
import type { DeviceAttributes, DeviceKind } from '../../protocol/devices.ts';

/** A device of this host, named by what stays when the host restarts or the device is plugged in anew. */
export interface FoundDevice {
  /** `file` is one that the owner names; it is counted as the resource that the owner says. */
  kind: DeviceKind | 'file';
  /** A DNS label, unique within the kind. */
  name: string;
  attributes: DeviceAttributes;
  /** Its device files under the names they have now, as in /dev; none for what is read from /sys. */
  nodes: readonly string[];
}

/** What a finder says of a device, before names are made unique. */
export interface Sighting extends Omit<FoundDevice, 'name'> {
  /** What tells it from others of its kind, whatever port it is at. */
  id: string;
  /** The port it is at; tells apart what has the same id. */
  place?: string;
}

const nameLengthMax = 63;
const hashLength = 8;
const attributeLengthMax = 64;

/**
 * Things that say they are the same (cheap adapters share one serial number) are told apart by their ports, all of
 * them: which one is meant must never depend on the order in which they were plugged in.
 */
export function nameDevices(sightings: readonly Sighting[]): FoundDevice[] {
  const count = new Map<string, number>();
  const keyOf = ({ kind, id }: Sighting) => `${kind}/${labelOf(id)}`;
  for (const sighting of sightings) count.set(keyOf(sighting), (count.get(keyOf(sighting)) ?? 0) + 1);
  const named = new Map<string, FoundDevice>();
  for (const sighting of sightings) {
    const { id, place, ...device } = sighting;
    const twice = (count.get(keyOf(sighting)) ?? 0) > 1 && place !== undefined;
    const name = labelOf(twice ? `${id}-at-${place}` : id);
    if (name !== '') named.set(`${device.kind}/${name}`, { ...device, name });
  }
  return [...named.values()].sort((one, other) =>
    one.kind === other.kind ? (one.name < other.name ? -1 : 1) : one.kind < other.kind ? -1 : 1,
  );
}

/** Lower-case letters, digits and dashes; what is too long ends in a hash of the whole. */
function labelOf(id: string): string {
  const label = id
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  if (label.length <= nameLengthMax) return label;
  const hash = createHash('sha256').update(id).digest('hex').slice(0, hashLength);
  return `${label.slice(0, nameLengthMax - hashLength - 1)}-${hash}`;
}

/** Without what is unknown, texts cut to what an attribute may hold. */
export function attributesOf(
  values: Readonly<Record<string, string | number | boolean | undefined>>,
): DeviceAttributes {
  const known = Object.entries(values).flatMap(([name, value]): [string, string | number | boolean][] => {
    if (value === undefined || value === '' || Number.isNaN(value)) return [];
    return [[name, typeof value === 'string' ? value.slice(0, attributeLengthMax) : value]];
  });
  return Object.fromEntries(known);
}
