import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The official client's models as data. Its types say what is required, its attribute maps which format a field
 * has.
 */
export interface ClientModel {
  name: string;
  description: string;
  fields: ClientField[];
}

export interface ClientField {
  name: string;
  /** As the client writes it: `string`, `Array<V1Container>`, `{ [key: string]: string; }`, `Date`, `any`, … */
  type: string;
  /** int32, int64, double, byte, date-time, date-time-micro, int-or-string or ''. */
  format: string;
  required: boolean;
  description: string;
}

export interface ClientModels {
  has(name: string): boolean;
  read(name: string): ClientModel;
}

const modelsDirectory = join(
  dirname(fileURLToPath(import.meta.resolve('@kubernetes/client-node'))),
  'gen/models',
);

export function openClientModels(): ClientModels {
  const names = new Set(
    readdirSync(modelsDirectory)
      .filter((file) => file.endsWith('.js'))
      .map((file) => file.slice(0, -'.js'.length)),
  );
  const read = new Map<string, ClientModel>();
  return {
    has: (name) => names.has(name),
    read(name) {
      if (!names.has(name)) throw new Error(`the official client has no model ${name}`);
      const model = read.get(name) ?? readModel(name);
      read.set(name, model);
      return model;
    },
  };
}

interface Attribute {
  /** The client's own, which may differ where JavaScript reserves the word: `_continue`. */
  name: string;
  baseName: string;
  type: string;
  format: string;
}

function readModel(name: string): ClientModel {
  const source = readFileSync(join(modelsDirectory, `${name}.js`), 'utf8');
  const declaration = readFileSync(join(modelsDirectory, `${name}.d.ts`), 'utf8');
  const map = /\.attributeTypeMap = (\[[\s\S]*?\]);\n/.exec(source)?.[1];
  const description = /\/\*\*\n\* ([\s\S]*?)\n\*\/\nexport declare class/.exec(declaration)?.[1];
  if (map === undefined) throw new Error(`${name}.js: no attribute map`);
  const members = readMembers(declaration);
  const fields = (JSON.parse(map) as Attribute[]).map(({ name: ownName, baseName, type, format }) => {
    const member = members.get(ownName);
    if (!member) throw new Error(`${name}.d.ts: no field ${baseName}`);
    return { name: baseName, type, format, ...member };
  });
  return { name, description: unescape(description ?? ''), fields };
}

/** Fields of the class in a `.d.ts`: `'name'?: type;`, with a doc comment above where upstream has one. */
function readMembers(declaration: string): Map<string, { required: boolean; description: string }> {
  const member = /(?: {4}\/\*\*\n {4}\* (.*)\n {4}\*\/\n)? {4}'([^']+)'(\?)?:/g;
  const members = new Map<string, { required: boolean; description: string }>();
  for (const [, description, name, optional] of declaration.matchAll(member)) {
    members.set(name ?? '', { required: optional === undefined, description: unescape(description ?? '') });
  }
  return members;
}

/** Undoes the code generator's escapes of quotes, and its `*_/` for a comment's end. */
function unescape(text: string): string {
  return text.replaceAll(/\\(["'`\\])/g, '$1').replaceAll('*_/', '*/');
}
