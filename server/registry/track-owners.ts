import { sameValue } from '../../protocol/kinds/cause.ts';
import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
} from '../../protocol/kinds/define-kind.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';
import { compareFields } from '../../protocol/patch/compare-fields.ts';
import { fieldsOfKind } from '../../protocol/patch/field-schema.ts';
import { emptyFormOf } from '../../protocol/patch/new-object.ts';
import {
  type ChangesElsewhere,
  type Owner,
  ownablePart,
  ownersAfterUpdate,
  readOwners,
  sameOwners,
  storedOwners,
  writeOwners,
} from '../../protocol/patch/owners.ts';
import type { RegistryContext } from './context.ts';
import { changesElsewhere, foreignVersions } from './foreign-owners.ts';
import type { WriteOptions } from './registry.ts';

/**
 * Keeps metadata.managedFields, in place, on every write but those of server-side apply, which keeps them itself. What
 * the server writes on its own account costs nothing but for the few specs it changes
 * (docs/decisions/0120-who-is-tracked-in-managed-fields.md):
 * - an object is tracked from its creation by a client, or its first server-side apply, on;
 * - the server's own writes of a status are not noted, other ones under `serverManager`.
 */
export const serverManager = 'kube-controller-manager';

/** Before the kind fills in what is not the creator's. */
export function trackCreation<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  next: T,
  options: WriteOptions,
): void {
  if (options.keepsOwners) return;
  delete next.metadata?.managedFields;
  if (options.fieldManager === undefined) return;
  noteChanges(context, kind, { old: undefined, next, owners: [], options });
}

interface Replacement<T> {
  old: T;
  next: T;
  /** metadata.managedFields as the writer sent them. */
  sentOwners: unknown[] | undefined;
  options: WriteOptions;
}

/** Waits for nobody but whoever converts between the versions of the kind, for owners by another one. */
export async function trackUpdate<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  { old, next, sentOwners, options }: Replacement<T>,
): Promise<void> {
  if (options.keepsOwners) return keepTimes(next, { old, sentOwners });
  setOwners(next, old.metadata?.managedFields);
  if (options.fieldManager === undefined && options.subresource === 'status') return;
  const owners = ownersBefore(sentOwners, old, options);
  const versions = foreignVersions(kind, owners);
  if (versions.length === 0) return noteChanges(context, kind, { old, next, owners, options });
  const part = ownedPart(kind, options);
  const elsewhere = await changesElsewhere(kind, { old, next }, { versions, part });
  noteChanges(context, kind, { old, next, owners, options, elsewhere });
}

/**
 * Whoever writes the object itself may write its managedFields, too, or empty them by a list of one empty entry. What
 * could not be understood is as if it were not sent: clients that do not know the field must not lose it.
 */
function ownersBefore(
  given: unknown[] | undefined,
  old: KubernetesObject,
  { subresource = '' }: WriteOptions,
): readonly Owner[] {
  const stored = old.metadata?.managedFields;
  const known = () => storedOwners(stored);
  if (subresource !== '' || !given?.length || sameValue(given, stored)) return known();
  return given.length === 1 && sameValue(given[0], {}) ? [] : (readOwners(given) ?? known());
}

interface Change {
  /** Undefined at creation. */
  old: object | undefined;
  next: KubernetesObject;
  owners: readonly Owner[];
  options: WriteOptions;
  elsewhere?: ChangesElsewhere;
}

/** Who writes the object itself owns nothing of a status that has its own door. */
function ownedPart(kind: Pick<KindDefinition, 'subresources'>, { subresource = '' }: WriteOptions) {
  return (object: object) => {
    const { status, ...rest } = ownablePart(object);
    return subresource === '' && kind.subresources.includes('status') ? rest : { ...rest, status };
  };
}

function noteChanges(
  { fieldSchemaOf, clock }: Pick<RegistryContext, 'fieldSchemaOf' | 'clock'>,
  kind: Pick<KindDefinition, 'group' | 'version' | 'schema' | 'subresources'>,
  { old, next, owners, options, elsewhere }: Change,
): void {
  if (!fieldSchemaOf || (old && owners.length === 0)) return setOwners(next, undefined);
  const { subresource = '', fieldManager = serverManager } = options;
  const part = ownedPart(kind, options);
  const changes = compareFields(
    part(old ?? emptyFormOf(next)),
    part(next),
    fieldsOfKind(kind, fieldSchemaOf),
  );
  const writer = { manager: fieldManager, apiVersion: apiVersionOf(kind), subresource };
  const after = ownersAfterUpdate(owners, changes, { writer, time: timestamp(clock.now()), elsewhere });
  setOwners(next, writeOwners(after));
}

function setOwners(object: KubernetesObject, managedFields: unknown[] | undefined): void {
  const metadata = (object.metadata ??= {});
  if (managedFields?.length) metadata.managedFields = managedFields;
  else delete metadata.managedFields;
}

/** An apply that changes nothing is no change: its time is not noted either. */
function keepTimes(
  next: KubernetesObject,
  { old, sentOwners }: { old: KubernetesObject; sentOwners: unknown[] | undefined },
): void {
  const stored = old.metadata?.managedFields;
  setOwners(next, sentOwners);
  if (!sameOwners(storedOwners(sentOwners), storedOwners(stored))) return;
  const { managedFields: _next, ...metadata } = next.metadata ?? {};
  const { managedFields: _old, ...before } = old.metadata ?? {};
  if (sameValue({ ...next, metadata }, { ...old, metadata: before })) setOwners(next, stored);
}
