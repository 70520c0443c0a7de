import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
} from '../../protocol/kinds/define-kind.ts';
import type { Entry } from '../store/store.ts';
import { atEntry, decode, encode, parse } from './codec.ts';

/**
 * Objects of a kind with several versions are stored under one of them. Where the versions differ in more than their
 * name, somebody else converts between them, which takes time: what is in here waits for it, and does not where there is
 * nothing to convert.
 */
export async function decodeEntry<T extends KubernetesObject>(
  kind: KindDefinition<T>,
  entry: Entry,
): Promise<T> {
  if (!kind.custom?.conversion?.convert) return decode(kind, entry);
  const [object] = await decodeEntries(kind, [entry]);
  if (!object) throw new TypeError('an entry was decoded to nothing');
  return object;
}

/** In the order of the entries, converted together. Throws a StatusError when the conversion fails. */
export async function decodeEntries<T extends KubernetesObject>(
  kind: KindDefinition<T>,
  entries: readonly Entry[],
): Promise<T[]> {
  const convert = kind.custom?.conversion?.convert;
  if (!convert) return entries.map((entry) => decode(kind, entry));
  const wanted = apiVersionOf(kind);
  const stored = entries.map((entry) => atEntry(parse(entry), entry));
  const foreign = stored.filter(({ apiVersion }) => apiVersion !== wanted);
  const converted = foreign.length > 0 ? await convert(foreign, wanted) : [];
  const byStored = new Map(foreign.map((object, index) => [object, converted[index]]));
  return stored.map((object) => {
    const own = (byStored.get(object) ?? object) as T;
    own.apiVersion = wanted;
    own.kind = kind.kind;
    kind.applyDefaults?.(own);
    return own;
  });
}

/** The bytes of an object in the version that its kind is stored under. */
export async function encodeStored(kind: KindDefinition, object: KubernetesObject): Promise<Uint8Array> {
  const conversion = kind.custom?.conversion;
  if (!conversion || conversion.storedApiVersion === object.apiVersion) return encode(object);
  if (!conversion.convert) return encode({ ...object, apiVersion: conversion.storedApiVersion });
  const [converted] = await conversion.convert([object], conversion.storedApiVersion);
  return encode(converted ?? object);
}

/** Whether the entry is in the version that its kind is stored under now; it may be from before another one was. */
export function isInStoredForm({ custom }: KindDefinition, entry: Entry): boolean {
  return !custom?.conversion || parse(entry).apiVersion === custom.conversion.storedApiVersion;
}
