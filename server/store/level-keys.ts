/**
 * The layout on disk. Every record is written once under a key that never comes back, and is later deleted: nothing is
 * overwritten (but the floor), so undoing a batch is deleting its records.
 *
 *   m/format, m/epoch, m/floor      what the store is
 *   r/<revision>[/<slot>]           the value of a put, once
 *   v/<key>\0<revision>             p[<slot>] or d[<slot>]: put or deleted at that revision
 *
 * Revisions are 11 digits of base 36, which holds every safe integer and sorts as text. The key in `v/` ends 12
 * characters before the end, so a key may contain any character, NUL too.
 */
import type { Version } from './version.ts';

export const formatVersion = '1';
export const metaKeys = { format: 'm/format', epoch: 'm/epoch', floor: 'm/floor' } as const;
export const versionRange = { gte: 'v/', lt: 'v0' } as const;

const revisionDigits = 11;

export function valueKey({ revision, slot }: Pick<Version, 'revision' | 'slot'>): string {
  return slot === 0 ? `r/${digits(revision)}` : `r/${digits(revision)}/${slot.toString(36)}`;
}

export function versionKey({ key, revision }: Pick<Version, 'key' | 'revision'>): string {
  return `v/${key}\0${digits(revision)}`;
}

export function encodeMark({ slot, deleted }: Pick<Version, 'slot' | 'deleted'>): string {
  const type = deleted ? 'd' : 'p';
  return slot === 0 ? type : type + slot.toString(36);
}

export function decodeVersion(versionKey: string, mark: string): Omit<Version, 'previous'> {
  const end = versionKey.length - revisionDigits;
  return {
    key: versionKey.slice(2, end - 1),
    revision: Number.parseInt(versionKey.slice(end), 36),
    slot: mark.length > 1 ? Number.parseInt(mark.slice(1), 36) : 0,
    deleted: mark.startsWith('d'),
  };
}

/** The records of one version. */
export function recordKeys(version: Version): string[] {
  return version.deleted ? [versionKey(version)] : [versionKey(version), valueKey(version)];
}

function digits(revision: number): string {
  return revision.toString(36).padStart(revisionDigits, '0');
}
