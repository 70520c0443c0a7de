import { atomicMaps, keyDefaults, mergeMarks, nativeSchemas, quantityFields } from '../schema/overlay.ts';
import { type GroupVersionKind, refTo, type Schema } from '../schema/schema.ts';
import { intOrStringName, microTimeName, quantityName, timeName } from '../schema/well-known.ts';
import type { ClientField, ClientModel, ClientModels } from './client-models.ts';
import type { SchemaNames } from './schema-names.ts';

export interface SchemaSource {
  models: ClientModels;
  /** Model names, sorted. */
  closure: readonly string[];
  names: SchemaNames;
  /** By model name. */
  kinds: ReadonlyMap<string, GroupVersionKind[]>;
}

/** One line per schema, so that a change of upstream reads as a change of a few lines. */
export function writeSchemas(source: SchemaSource): string {
  const all: Record<string, Schema> = { ...nativeSchemas };
  for (const name of source.closure)
    all[nameOf(name, source)] = modelSchema(source.models.read(name), source);
  const lines = Object.keys(all)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${JSON.stringify(all[name])}`);
  return `{\n${lines.join(',\n')}\n}\n`;
}

/** Throws when the hand-written overlay names a model or field that upstream does not have. */
export function checkOverlay(models: ClientModels): void {
  const fields = [
    ...quantityFields,
    ...Object.keys(keyDefaults),
    ...Object.entries(mergeMarks).flatMap(([model, marks]) =>
      Object.keys(marks).map((key) => `${model}.${key}`),
    ),
  ];
  for (const path of fields) {
    const [model = '', field] = path.split('.');
    if (!models.read(model).fields.some(({ name }) => name === field))
      throw new Error(`overlay: no field ${path}`);
  }
  atomicMaps.forEach((model) => models.read(model));
}

function nameOf(model: string, { names }: SchemaSource): string {
  const name = names.get(model);
  if (name === undefined) throw new Error(`${model} has no Kubernetes name`);
  return name;
}

function modelSchema(model: ClientModel, source: SchemaSource): Schema {
  const required = model.fields.filter((field) => field.required).map((field) => field.name);
  const gvk = source.kinds.get(model.name);
  const properties = model.fields.map((field) => [field.name, fieldSchema(model, field, source)] as const);
  return {
    description: model.description,
    type: 'object',
    ...(required.length > 0 && { required }),
    ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
    ...(atomicMaps.includes(model.name) && { 'x-kubernetes-map-type': 'atomic' }),
    ...(gvk && { 'x-kubernetes-group-version-kind': gvk }),
  };
}

function fieldSchema(model: ClientModel, field: ClientField, source: SchemaSource): Schema {
  const path = `${model.name}.${field.name}`;
  const quantity = quantityFields.includes(path);
  const { $ref, ...schema } = typeSchema(field.type, { format: field.format, quantity, source });
  const marks = mergeMarks[model.name]?.[field.name] ?? {};
  const listType: Schema =
    schema.type === 'array' && !marks['x-kubernetes-patch-strategy']
      ? { 'x-kubernetes-list-type': 'atomic' }
      : {};
  const beside = {
    ...(field.description !== '' && { description: field.description }),
    ...schema,
    ...listType,
    ...marks,
    ...(path in keyDefaults && { default: keyDefaults[path] }),
  };
  if ($ref === undefined) return beside;
  return Object.keys(beside).length === 0 ? { $ref } : { ...beside, allOf: [{ $ref }] };
}

interface TypeContext {
  format: string;
  quantity: boolean;
  source: SchemaSource;
}

function typeSchema(type: string, context: TypeContext): Schema {
  const element = /^Array<(.*)>$/.exec(type)?.[1];
  if (element !== undefined) return { type: 'array', items: typeSchema(element, context) };
  const value = /^\{ \[key: string\]: (.*); \}$/.exec(type)?.[1];
  if (value !== undefined) return { type: 'object', additionalProperties: typeSchema(value, context) };
  switch (type) {
    case 'string':
      if (context.quantity) return { $ref: refTo(quantityName) };
      return { type: 'string', ...(context.format !== '' && { format: context.format }) };
    case 'boolean':
      return { type: 'boolean' };
    case 'number':
      return { type: context.format === 'double' ? 'number' : 'integer', format: context.format };
    case 'Date':
      return { $ref: refTo(timeName) };
    case 'V1MicroTime':
      return { $ref: refTo(microTimeName) };
    case 'IntOrString':
      return { $ref: refTo(intOrStringName) };
    case 'any':
      return { type: 'object' };
    default:
      return { $ref: refTo(nameOf(type, context.source)) };
  }
}
