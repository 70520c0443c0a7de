import type { LabelSelector } from '../../protocol/generated/models.ts';
import type { PodRequest } from './pod-request.ts';

/**
 * Things that match pods by selectors, found without asking each of them: most selectors demand one label with one
 * value in one namespace, and a pod that lacks it cannot match.
 */
export class LabelBuckets<T> {
  readonly #buckets = new Map<string, Set<T>>();
  readonly #others = new Set<T>();

  add(item: T, bucket: string | undefined): void {
    if (bucket === undefined) {
      this.#others.add(item);
      return;
    }
    const items = this.#buckets.get(bucket);
    if (items) items.add(item);
    else this.#buckets.set(bucket, new Set([item]));
  }

  remove(item: T, bucket: string | undefined): void {
    if (bucket === undefined) {
      this.#others.delete(item);
      return;
    }
    const items = this.#buckets.get(bucket);
    items?.delete(item);
    if (items?.size === 0) this.#buckets.delete(bucket);
  }

  /** All that may match the pod, and some that do not. */
  *candidates({ namespace, labels }: PodRequest): Iterable<T> {
    yield* this.#others;
    if (this.#buckets.size === 0) return;
    for (const key in labels) {
      const items = this.#buckets.get(`${namespace}\0${key}\0${labels[key]}`);
      if (items) yield* items;
    }
  }
}

/** The bucket of what matches only pods of these namespaces; undefined where a pod could come from anywhere. */
export function bucketOf(
  namespaces: readonly string[] | undefined,
  selector: Readonly<LabelSelector> | undefined,
): string | undefined {
  const [namespace] = namespaces ?? [];
  const [label] = Object.entries(selector?.matchLabels ?? {});
  if (namespaces?.length !== 1 || !label) return undefined;
  return `${namespace}\0${label[0]}\0${label[1]}`;
}
