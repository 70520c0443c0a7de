import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KindDefinition, KubernetesObject } from '../../../../../protocol/kinds/define-kind.ts';
import { faults, updateFaults } from '../admit.ts';

/**
 * What is put into a sound object at which path (fields parted by dots, items by their number), and what Kubernetes says
 * to that: a whole line `field: message`, or what it matches.
 */
export type Refusal = readonly [path: string, value: unknown, ...said: (string | RegExp)[]];

export const label =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
export const subdomain =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
export const portRange = 'must be between 1 and 65535, inclusive';
export const notNegative = 'must be greater than or equal to 0';
export const ipWanted = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

/** One test for each: the object with that change is refused in exactly these words, and without it is not. */
export function refuses<T extends KubernetesObject>(
  kind: KindDefinition<T>,
  sound: object,
  refusals: readonly Refusal[],
): void {
  test(`${kind.kind}: what is sound is taken`, () => assert.deepEqual(faults(kind, copyOf(sound)), []));
  for (const [path, value, ...said] of refusals)
    test(`${kind.kind}: ${path} = ${JSON.stringify(value)}`, () => {
      const found = faults(kind, withChange(copyOf(sound), path, value));
      assert.equal(found.length, said.length, found.join('\n') || 'nothing was said');
      for (const [index, line] of said.entries()) {
        if (typeof line === 'string') assert.equal(found[index], line);
        else assert.match(found[index] ?? '', line);
      }
    });
}

/** As `refuses`, for a change of the stored object: of all but the status, or through `subresource`. */
export function refusesChange<T extends KubernetesObject>(
  kind: KindDefinition<T>,
  sound: object,
  refusals: readonly Refusal[],
  subresource = '',
): void {
  const where = subresource === '' ? '' : ` through ${subresource}`;
  for (const [path, value, ...said] of refusals)
    test(`${kind.kind}, changed${where}: ${path} = ${JSON.stringify(value)}`, () => {
      const change = (next: T) => void withChange(next, path, value);
      const found = updateFaults(kind, copyOf(sound), change, subresource);
      assert.deepEqual(found, said);
    });
}

// oxlint-disable-next-line typescript/no-explicit-any -- objects as clients may send them
type Loose = any;

function copyOf(value: object): Loose {
  return structuredClone(value);
}

function withChange(object: Loose, path: string, value: unknown): Loose {
  const steps = path.split('.');
  const last = steps.pop() ?? '';
  let at = object;
  for (const [index, step] of steps.entries())
    at = at[step] ??= /^\d+$/.test(steps[index + 1] ?? last) ? [] : {};
  if (value === undefined) delete at[last];
  else at[last] = value;
  return object;
}
