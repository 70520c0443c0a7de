import type { ScopedResourceSelectorRequirement } from '../../../protocol/generated/models.ts';
import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { Quantity } from '../../../protocol/quantity.ts';
import type { AdmissionSubject } from '../../registry/admission.ts';

/** Amounts by the names that quotas have for them. */
export type Usage = ReadonlyMap<string, Quantity>;

/** What objects of one kind use of quotas. Everything is a pure function of the object. */
export interface Evaluator {
  /** Whether `name` is one of the amounts that it can use, beside the count of its objects. */
  covers(name: string): boolean;
  /** Without the count of its objects. */
  usage(object: Readonly<KubernetesObject>): Usage;
  /** Whether an object is within a scope; kinds without scopes are in none. */
  isInScope?(object: Readonly<KubernetesObject>, scope: ScopedResourceSelectorRequirement): boolean;
  /** What the object must say where a quota limits `names`, and does not. */
  missing?(object: Readonly<KubernetesObject>, names: readonly string[]): string | undefined;
  /** Writes that can use more than before. */
  charges(write: Pick<AdmissionSubject, 'operation' | 'subresource'>): boolean;
}
