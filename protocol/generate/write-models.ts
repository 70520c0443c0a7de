import type { ClientModels } from './client-models.ts';
import { type SchemaNames, shortName } from './schema-names.ts';

/** Plain types: moments are RFC 3339 strings, quantities strings; nothing here exists at run time. */
export function writeModels(closure: readonly string[], models: ClientModels, names: SchemaNames): string {
  const typeNames = nameTypes(closure, names);
  const parts = closure.map((name) => {
    const fields = models
      .read(name)
      .fields.map(
        (field) => `  ${key(field.name)}${field.required ? '' : '?'}: ${tsType(field.type, typeNames)};\n`,
      );
    return `/** ${names.get(name)} */\nexport interface ${typeNames.get(name)} {\n${fields.join('')}}\n`;
  });
  return `${header}\n${parts.join('\n')}`;
}

const header = `// Written by protocol/generate-models.ts from @kubernetes/client-node. Do not edit; run \`npm run generate\`.
`;

/** Meta and core types bear their bare names; a later group whose name is taken prefixes its own. */
function nameTypes(closure: readonly string[], names: SchemaNames): Map<string, string> {
  const rank = (model: string) => (/\.(?:meta|core)\.v1\./.test(names.get(model) ?? '') ? 0 : 1);
  const taken = new Set<string>();
  const typeNames = new Map<string, string>();
  for (const model of closure.toSorted((a, b) => rank(a) - rank(b))) {
    const [group = '', version = ''] = (names.get(model) ?? '').split('.').slice(-3);
    const bare = shortName(model);
    const prefix = group.charAt(0).toUpperCase() + group.slice(1) + (version === 'v1' ? '' : version);
    const name = taken.has(bare) ? prefix + bare : bare;
    taken.add(name);
    typeNames.set(model, name);
  }
  return typeNames;
}

function key(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : `'${name}'`;
}

function tsType(type: string, typeNames: ReadonlyMap<string, string>): string {
  const element = /^Array<(.*)>$/.exec(type)?.[1];
  if (element !== undefined) return `${tsType(element, typeNames)}[]`;
  const value = /^\{ \[key: string\]: (.*); \}$/.exec(type)?.[1];
  if (value !== undefined) return `Record<string, ${tsType(value, typeNames)}>`;
  switch (type) {
    case 'string':
    case 'number':
    case 'boolean':
      return type;
    case 'Date':
    case 'V1MicroTime':
      return 'string';
    case 'IntOrString':
      return 'number | string';
    case 'any':
      return 'unknown';
    default:
      return typeNames.get(type) ?? 'unknown';
  }
}
