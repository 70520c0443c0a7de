import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
} from '../../../protocol/kinds/define-kind.ts';
import { timestamp } from '../../../protocol/kinds/stored-object.ts';
import {
  type Application,
  type Applied,
  applyConfiguration,
  describeConflicts,
  mergeConfiguration,
  takeFields,
} from '../../../protocol/patch/apply-configuration.ts';
import { compareFields } from '../../../protocol/patch/compare-fields.ts';
import type { FieldSchema } from '../../../protocol/patch/field-schema.ts';
import { fieldsOfKind } from '../../../protocol/patch/field-schema.ts';
import { noFields, without } from '../../../protocol/patch/field-set.ts';
import {
  fieldsAppliedByClient,
  keepLastApplied,
  kubectlApplier,
} from '../../../protocol/patch/last-applied.ts';
import { emptyFormOf } from '../../../protocol/patch/new-object.ts';
import {
  type Conflict,
  type Owner,
  ownablePart,
  ownersAfterUpdate,
  storedOwners,
  type Writer,
  writeOwners,
} from '../../../protocol/patch/owners.ts';
import { fieldElement } from '../../../protocol/patch/path-element.ts';
import { isStatus, StatusError } from '../../../protocol/status.ts';
import { conflict, modifiedMeanwhile } from '../../registry/failures.ts';
import { changesElsewhere, foreignVersions, renamedFields } from '../../registry/foreign-owners.ts';
import { accessOf } from '../access/access-request.ts';
import { enforce } from '../access/authorizer.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { type Applier, readApplier } from '../request/field-manager.ts';
import type { RequestBody } from '../request/request-body.ts';
import { methodNotAllowed } from '../request/request-info.ts';
import { readWriteQuery } from '../request/write-options.ts';
import { sendKindObject } from '../response/answer.ts';
import { readConfiguration } from './apply-document.ts';

/** Server-side apply: makes the object have what the configuration says, or makes the object. */
export async function applyObject(exchange: ResourceExchange, body: RequestBody): Promise<void> {
  const applier = readApplier(exchange);
  const { dryRun, fieldValidation } = readWriteQuery(exchange, 'PatchOptions');
  const config = readConfiguration(exchange, body, fieldValidation);
  const { code, object } = await writeConfiguration(exchange, config, { ...applier, dryRun });
  await sendKindObject(exchange, code, object);
}

/** Between looking for an object and creating it, another may come and go; more often than this something is wrong. */
const attemptsMax = 8;

/** Applies a decoded configuration. Throws Conflict in Kubernetes' words when another owns what would change. */
export async function writeConfiguration(
  exchange: ResourceExchange,
  config: KubernetesObject,
  { dryRun, ...applier }: Applier & { dryRun: boolean },
): Promise<{ code: number; object: KubernetesObject }> {
  const { kind, services, info } = exchange;
  const subresource = info.subresource ?? '';
  const options = { dryRun, subresource, keepsOwners: true };
  const apply = configure(exchange, config, applier);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const at = objectName(exchange);
      const ready = kind.custom?.conversion?.convert
        ? await apply.across(await services.registry.get(kind, at))
        : apply.here;
      const change = (draft: KubernetesObject) => replaceContent(draft, ready(draft));
      const object = await services.registry.mutate(kind, at, change, options);
      return { code: 200, object };
    } catch (error) {
      if (error instanceof ChangedMeanwhile && attempt < attemptsMax) continue;
      if (!isStatus(error, 'NotFound') || subresource !== '') throw error;
    }
    if (!kind.verbs.includes('create')) throw methodNotAllowed();
    try {
      const access = accessOf({ ...info, verb: 'create' }, exchange.query);
      await enforce(services.access.authorize, exchange.user, access);
      refuseUid(kind, config);
      const object = await services.registry.create(kind, apply.here(undefined), options);
      return { code: 201, object };
    } catch (error) {
      if (!isStatus(error, 'AlreadyExists') || attempt === attemptsMax) throw error;
    }
  }
}

/** The object is another than the one that was converted. */
class ChangedMeanwhile extends StatusError {
  constructor() {
    super('Conflict', modifiedMeanwhile);
  }
}

type MakeObject = (live: KubernetesObject | undefined) => KubernetesObject;

/** What applying the configuration makes of an object, or of none. */
function configure(
  exchange: ResourceExchange,
  config: KubernetesObject,
  { manager, force }: Applier,
): { here: MakeObject; across: (seen: KubernetesObject) => Promise<MakeObject> } {
  const { kind, services, info } = exchange;
  const { subresource = '' } = info;
  const applier: Writer = { manager, apiVersion: apiVersionOf(kind), subresource };
  const schema = fieldsOfKind(kind, services.fieldSchemaOf);
  const prepare = (live: KubernetesObject | undefined): Application => {
    const time = timestamp(services.clock.now());
    if (live) checkVersion(kind, config, live);
    const owners = live ? ownersOf(live, { kind, schema, time, subresource }) : [];
    const mayTake = live && manager === kubectlApplier ? fieldsAppliedByClient(live, schema) : noFields;
    return { live, config: structuredClone(config), owners, applier, force, mayTake, schema, time };
  };
  const finish = (applied: Applied): KubernetesObject => {
    if ('conflicts' in applied) throw applyConflict(applied.conflicts);
    const object: KubernetesObject = { ...applied.object };
    if (manager === kubectlApplier) keepLastApplied(object, config);
    const managedFields = writeOwners(applied.owners);
    object.metadata = { ...object.metadata, ...(managedFields ? { managedFields } : {}) };
    if (!managedFields) delete object.metadata.managedFields;
    return object;
  };
  return {
    here: (live) => finish(applyConfiguration(prepare(live))),
    /** Whoever converts is asked first; what comes of it holds for this state of the object alone. */
    async across(seen) {
      const application = prepare(seen);
      const versions = foreignVersions(kind, application.owners);
      const foreign = application.owners.filter(({ apiVersion }) => versions.includes(apiVersion));
      const renamed = await renamedFields(kind, { live: seen, owners: foreign, schema });
      const merged = mergeConfiguration({ ...application, renamed });
      const next: KubernetesObject = { ...merged.object, apiVersion: applier.apiVersion, kind: kind.kind };
      const elsewhere = await changesElsewhere(kind, { old: seen, next }, { versions });
      const object = finish(takeFields(merged, application, elsewhere));
      return (live) => {
        if (live?.metadata?.resourceVersion !== seen.metadata?.resourceVersion) throw new ChangedMeanwhile();
        return object;
      };
    },
  };
}

const status = fieldElement('status');
const beforeFirstApply = 'before-first-apply';

/** An object that was not tracked so far belongs to whoever was there before the first apply. */
function ownersOf(
  live: KubernetesObject,
  {
    kind,
    schema,
    time,
    subresource,
  }: { kind: KindDefinition; schema: FieldSchema; time: string; subresource: string },
): readonly Owner[] {
  const known = storedOwners(live.metadata?.managedFields);
  if (known.length > 0) return known;
  const all = compareFields(emptyFormOf(live), ownablePart(live), schema).set;
  const isSplit = kind.subresources.includes('status') && subresource === '';
  const set = isSplit ? without(all, [status]) : all;
  const writer = { manager: beforeFirstApply, apiVersion: apiVersionOf(kind), subresource: '' };
  return ownersAfterUpdate([], { set, removed: {} }, { writer, time });
}

function applyConflict(conflicts: readonly Conflict[]): StatusError {
  const { message, causes } = describeConflicts(conflicts);
  return new StatusError('Conflict', message, {
    details: { causes: causes.map((cause) => ({ reason: 'FieldManagerConflict', ...cause })) },
  });
}

/** A configuration that names a version or a uid is meant for that alone. */
function checkVersion(kind: KindDefinition, config: KubernetesObject, live: KubernetesObject): void {
  const { resourceVersion, uid } = config.metadata ?? {};
  const name = live.metadata?.name ?? '';
  if (uid && uid !== live.metadata?.uid)
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${live.metadata?.uid}`,
    );
  if (resourceVersion && resourceVersion !== live.metadata?.resourceVersion)
    throw conflict(kind, name, modifiedMeanwhile);
}

function refuseUid(kind: KindDefinition, { metadata = {} }: KubernetesObject): void {
  const { uid, name = '' } = metadata;
  if (uid)
    throw conflict(
      kind,
      name,
      `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
    );
}

function replaceContent(draft: KubernetesObject, content: KubernetesObject): void {
  for (const key of Object.keys(draft)) delete draft[key as keyof KubernetesObject];
  Object.assign(draft, content);
}
