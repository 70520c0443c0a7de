import { createHash } from 'node:crypto';
import type { PodTemplateSpec } from '../../protocol/generated/models.ts';

/** The label that tells one template's pods from another's. */
export const templateHashLabel = 'pod-template-hash';

/** Kubernetes' safe alphabet: no vowels, nothing that reads as a word. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
const hashLength = 10;

/** Name part for a template: equal templates give equal parts; `collisionCount` moves it off a name that is taken. */
export function templateHash(template: Readonly<PodTemplateSpec>, collisionCount: number): string {
  const digest = createHash('sha256')
    .update(canonicalTemplate(template))
    .update(`#${collisionCount}`)
    .digest();
  return Array.from(digest.subarray(0, hashLength), (byte) => alphabet[byte % alphabet.length]).join('');
}

/**
 * A text that is equal for templates that mean the same: keys sorted, the hash label and empty metadata left out.
 * Elsewhere an empty object stays, for it may mean something (an empty namespaceSelector is every namespace).
 */
export function canonicalTemplate(template: Readonly<PodTemplateSpec>): string {
  const { labels, ...metadata } = template.metadata ?? {};
  const { [templateHashLabel]: _hash, ...otherLabels } = labels ?? {};
  const parts = Object.entries({ ...metadata, labels: otherLabels }).filter(([, part]) => !isEmpty(part));
  return JSON.stringify(sorted({ metadata: Object.fromEntries(parts), spec: template.spec ?? {} }));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([, entry]) => entry !== undefined && entry !== null)
    .map(([key, entry]) => [key, sorted(entry)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
