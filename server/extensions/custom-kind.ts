import { once } from '../../lib/once.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
} from '../../protocol/generated/models.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import { schemaOfVersion } from '../../protocol/kinds/custom-resource-definition.ts';
import {
  allVerbs,
  type KindDefinition,
  type KubernetesObject,
  type VersionConversion,
} from '../../protocol/kinds/define-kind.ts';
import { dnsSubdomain } from '../../protocol/kinds/name-rules.ts';
import { validateObjectMeta } from '../../protocol/kinds/object-meta.ts';
import { StatusError } from '../../protocol/status.ts';
import { applySchemaDefaults } from '../../protocol/structural/apply-defaults.ts';
import { pruneObject } from '../../protocol/structural/prune.ts';
import { customColumns } from './custom-columns.ts';
import { fieldText, scaleAccess } from './custom-fields.ts';
import { customFields, customSchemaName, customSchemas } from './custom-schemas.ts';
import type { CustomValidation } from './custom-validation.ts';

export interface CustomKindContext {
  validation: CustomValidation;
  conversion: VersionConversion;
  /** Unlike that of any other content of a definition. */
  id: string;
  /** Aborts when the kinds made with it are no longer in force. */
  retired: AbortSignal;
  /** Whether the definition is being deleted, and its objects with it. */
  isTerminating: () => boolean;
}

interface Parts extends KubernetesObject {
  spec?: unknown;
  status?: unknown;
}

/** The kinds that a definition gives: one for each version that is served, the stored one first. */
export function customKindsOf(
  definition: CustomResourceDefinition,
  context: CustomKindContext,
): KindDefinition[] {
  return definition.spec.versions
    .filter(({ served }) => served)
    .toSorted((a, b) => Number(b.storage) - Number(a.storage))
    .map((version) => customKind(definition, version, context) as KindDefinition);
}

function customKind(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  { validation, conversion, id, retired, isTerminating }: CustomKindContext,
): KindDefinition<Parts> {
  const { group, scope, names } = definition.spec;
  const { subresources, selectableFields = [] } = version;
  const schema = schemaOfVersion(version);
  const hasStatus = subresources?.status !== undefined;
  const scale = subresources?.scale;
  const checked = validation.of(schema);
  const fields = once(() => customFields(definition, version));
  const validate = (object: Parts, old?: Parts) => [
    ...validateObjectMeta(object, dnsSubdomain, { anyFinalizer: true }),
    ...checked(object, old),
  ];
  return {
    group,
    version: version.name,
    kind: names.kind,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: scope === 'Namespaced',
    schema: customSchemaName(definition, version.name),
    verbs: allVerbs,
    subresources: [...(scale ? ['scale'] : []), ...(hasStatus ? ['status'] : [])],
    columns: customColumns(version.additionalPrinterColumns),
    selectableFields: Object.fromEntries(
      selectableFields.map(({ jsonPath }) => [
        jsonPath.replace(/^\./, ''),
        (object: Parts) => fieldText(object, jsonPath),
      ]),
    ),
    applyDefaults(object) {
      // What an older schema let in goes when it is read, as it would when it is written.
      pruneObject(object, schema);
      applySchemaDefaults(object, schema);
    },
    prepareCreate(object) {
      if (isTerminating())
        throw new StatusError(
          'MethodNotAllowed',
          'create not allowed while custom resource definition is terminating',
        );
      if (hasStatus) delete object.status;
    },
    validate,
    // The registry does not ask `validate` about a status; where it has its own door, it only changes through that.
    validateUpdate: (next, old) =>
      hasStatus && !sameValue(next.status, old.status) ? checked(next, old) : [],
    generationOf: ({ metadata: _metadata, status, ...content }) =>
      hasStatus ? content : { ...content, status },
    ...(scale ? { scale: scaleAccess(scale) } : {}),
    custom: {
      prune: (object) => pruneObject(object, schema),
      get schemas() {
        return customSchemas(definition, version.name, schema);
      },
      get fields() {
        return fields();
      },
      retired,
      id,
      conversion,
    },
  };
}

/** By which the stored objects of a definition are read, whether or not their version is served. */
export function storedKindOf(definition: CustomResourceDefinition): KindDefinition {
  const { group, scope, names, versions } = definition.spec;
  const version = versions.find(({ storage }) => storage)?.name ?? '';
  return {
    group,
    version,
    kind: names.kind,
    plural: names.plural,
    singular: names.singular ?? '',
    shortNames: [],
    categories: [],
    namespaced: scope === 'Namespaced',
    schema: customSchemaName(definition, version),
    verbs: allVerbs,
    subresources: [],
    columns: [],
    selectableFields: {},
  };
}
