import { nameSuffix, uuid } from '../../lib/random.ts';
import { forbidden, invalid, required, sameValue } from '../../protocol/kinds/cause.ts';
import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
  type ObjectMeta,
} from '../../protocol/kinds/define-kind.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';
import type { StatusCause } from '../../protocol/status.ts';
import type { RegistryContext } from './context.ts';

/** The part of metadata that belongs to the server (source: k8s.io/apiserver/pkg/registry/rest, ValidateObjectMeta). */

const nameLengthMax = 253;
const namespaceLengthMax = 63;
/** Leaves room for the generated suffix within a DNS label. */
const generatedBaseLengthMax = 58;

/** Stamps what a client may not choose for a new object, in place. */
export function stampNew<T extends KubernetesObject>(
  { clock, random }: Pick<RegistryContext, 'clock' | 'random'>,
  kind: KindDefinition<T>,
  object: T,
): ObjectMeta {
  object.apiVersion = apiVersionOf(kind);
  object.kind = kind.kind;
  const metadata = (object.metadata ??= {});
  delete metadata.resourceVersion;
  delete metadata.selfLink;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.generation;
  metadata.uid = uuid(random);
  metadata.creationTimestamp = timestamp(clock.now());
  if (kind.generationOf !== false) metadata.generation = 1;
  return metadata;
}

/** Puts back, in place, what admission may not choose either. */
export function keepStamps<T extends KubernetesObject>(
  kind: KindDefinition<T>,
  object: T,
  stamps: ObjectMeta,
): void {
  object.apiVersion = apiVersionOf(kind);
  object.kind = kind.kind;
  const metadata = (object.metadata ??= {});
  for (const field of stamped) carry(metadata, stamps, field);
}

export function generatedName({ random }: Pick<RegistryContext, 'random'>, base: string): string {
  return base.slice(0, generatedBaseLengthMax) + nameSuffix(random);
}

/** What is wrong with the place of a new object. Which names a kind allows beyond this is the kind's to say. */
export function placeCauses(
  kind: Pick<KindDefinition, 'namespaced'>,
  { name, namespace }: ObjectMeta,
): StatusCause[] {
  const causes: StatusCause[] = [];
  if (!name) {
    causes.push(required('metadata.name', 'name or generateName is required'));
  } else {
    const wrong = segmentFault(name, nameLengthMax);
    if (wrong) causes.push(invalid('metadata.name', name, wrong));
  }
  if (!kind.namespaced && namespace) {
    causes.push(forbidden('metadata.namespace', 'not allowed on this type'));
  }
  if (kind.namespaced && !namespace) causes.push(required('metadata.namespace'));
  if (kind.namespaced && namespace) {
    const wrong = segmentFault(namespace, namespaceLengthMax);
    if (wrong) causes.push(invalid('metadata.namespace', namespace, wrong));
  }
  return causes;
}

/** What the caller says about these is never taken. */
const serversOwn = ['resourceVersion', 'generation', 'deletionGracePeriodSeconds'] as const;
/** What the caller may leave out, but not change. */
const stamped = [
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'generation',
  'resourceVersion',
  'deletionGracePeriodSeconds',
] as const;
const optional = ['generateName', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp'] as const;
type CarriedField = (typeof serversOwn | typeof optional | typeof stamped)[number];

/** Fills in what an update may leave out, in place, so that a client need not send it back. */
export function carryMetadata<T extends KubernetesObject>(kind: KindDefinition<T>, next: T, old: T): void {
  next.apiVersion = apiVersionOf(kind);
  next.kind = kind.kind;
  const metadata = (next.metadata ??= {});
  const before = old.metadata ?? {};
  delete metadata.selfLink;
  for (const field of serversOwn) carry(metadata, before, field);
  for (const field of optional) if (!metadata[field]) carry(metadata, before, field);
}

/** Which of the server's own fields an update tries to change. */
export function metadataUpdateCauses(next: ObjectMeta, old: ObjectMeta): StatusCause[] {
  const fixed = ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp'] as const;
  const causes = fixed
    .filter((field) => next[field] !== old[field])
    .map((field) => invalid(`metadata.${field}`, next[field], 'field is immutable'));
  if (old.deletionTimestamp !== undefined) {
    const added = (next.finalizers ?? []).filter((name) => !old.finalizers?.includes(name));
    if (added.length > 0) causes.push(lateFinalizers(added));
  }
  return causes;
}

/** Counts a change of what the kind's generation covers, in place. */
export function bumpGeneration<T extends KubernetesObject>(kind: KindDefinition<T>, next: T, old: T): void {
  if (kind.generationOf === false) return;
  const covered = kind.generationOf ?? specOf;
  if (sameValue(covered(next), covered(old))) return;
  (next.metadata ??= {}).generation = (old.metadata?.generation ?? 0) + 1;
}

function specOf(object: KubernetesObject): unknown {
  return 'spec' in object ? object.spec : undefined;
}

function carry(next: ObjectMeta, old: ObjectMeta, field: CarriedField): void {
  if (old[field] === undefined) delete next[field];
  else Object.assign(next, { [field]: old[field] });
}

function lateFinalizers(added: readonly string[]): StatusCause {
  const list = `[]string{${added.map((name) => JSON.stringify(name)).join(', ')}}`;
  return forbidden(
    'metadata.finalizers',
    `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`,
  );
}

/** Names are one segment of a path and of a key (source: apimachinery, IsValidPathSegmentName). */
function segmentFault(name: string, lengthMax: number): string | undefined {
  if (name === '.' || name === '..') return `may not be '${name}'`;
  if (name.includes('/')) return "may not contain '/'";
  if (name.includes('%')) return "may not contain '%'";
  // oxlint-disable-next-line no-control-regex -- these would break the order of keys
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'may not contain control characters';
  if (Buffer.byteLength(name) > lengthMax) return `must be no more than ${lengthMax} bytes`;
  return undefined;
}
