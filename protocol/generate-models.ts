import { writeFileSync } from 'node:fs';
import { type ClientModels, openClientModels } from './generate/client-models.ts';
import { closureOf, modelOf, nameSchemas } from './generate/schema-names.ts';
import { writeModels } from './generate/write-models.ts';
import { checkOverlay, writeSchemas } from './generate/write-schemas.ts';
import { componentStatusKind } from './kinds/component-status.ts';
import { kinds } from './kinds/registry.ts';
import { reviewKinds } from './kinds/reviews.ts';
import { extraModels } from './schema/overlay.ts';
import type { GroupVersionKind } from './schema/schema.ts';
import { metaPrefix } from './schema/well-known.ts';

/** Those that are listed. */
const readKinds = [...kinds, componentStatusKind];

/**
 * Derives protocol/generated from the official client's models (`npm run generate`): whatever the registered kinds
 * reach, and the few objects of the API itself. Run it after adding a kind; a unit test refuses stale output.
 */
export function generateModels(): { models: string; schemas: string } {
  const models = openClientModels();
  checkOverlay(models);
  const schemasOf = (list: typeof kinds) =>
    list.map((kind) => kind.schema).filter((schema) => schema.startsWith('io.k8s.'));
  const roots = [
    ...schemasOf(readKinds).flatMap((schema) => [schema, `${schema}List`]),
    ...schemasOf(reviewKinds),
  ];
  const names = nameSchemas(roots, models);
  const rootModels = [
    ...Object.values(extraModels).flat(),
    'V1ListMeta',
    ...roots.map((schema) => modelOf(schema, models)),
  ];
  const closure = closureOf(rootModels, models, names);
  return {
    models: writeModels(closure, models, names),
    schemas: writeSchemas({ models, closure, names, kinds: groupVersionKinds(models) }),
  };
}

/** Which kinds an object of each model may call itself. */
function groupVersionKinds(models: ClientModels): Map<string, GroupVersionKind[]> {
  const all = new Map<string, GroupVersionKind[]>();
  for (const { schema, group, version, kind } of readKinds) {
    if (!schema.startsWith('io.k8s.')) continue;
    all.set(modelOf(schema, models), [{ group, version, kind }]);
    all.set(modelOf(`${schema}List`, models), [{ group, version, kind: `${kind}List` }]);
  }
  for (const { schema, group, version, kind } of reviewKinds)
    all.set(modelOf(schema, models), [{ group, version, kind }]);
  for (const [prefix, list] of Object.entries(extraModels)) {
    for (const model of list) {
      const kind = model.replace(/^(?:[A-Z][a-z]+)?V1/, '');
      if (parts.includes(kind)) continue;
      const group = groups[prefix] ?? '';
      all.set(model, [{ group, version: 'v1', kind }]);
    }
  }
  return all;
}

/** Extra models that are part of others and no objects by themselves. */
const parts = ['Condition', 'FieldSelectorRequirement', 'LabelSelector'];

const groups: Record<string, string> = {
  [metaPrefix]: '',
  'io.k8s.api.core.v1': '',
  'io.k8s.api.autoscaling.v1': 'autoscaling',
  'io.k8s.api.policy.v1': 'policy',
  'io.k8s.api.authentication.v1': 'authentication.k8s.io',
};

if (import.meta.main) {
  const { models, schemas } = generateModels();
  const target = (name: string) => new URL(`./generated/${name}`, import.meta.url);
  writeFileSync(target('models.ts'), models);
  writeFileSync(target('schemas.json'), schemas);
}
