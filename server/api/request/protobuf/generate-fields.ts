import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { schemas } from '../../../../protocol/schema/schemas.ts';
import type { FieldMode, FieldTable, MessageField } from './field-table.ts';

/**
 * Writes the protobuf field numbers of the API's messages: `node server/api/request/protobuf/generate-fields.ts <directory>`, where the
 * directory holds Go's `k8s.io/api` and `k8s.io/apimachinery` of the release that protocol/generated is derived from (Debian:
 * golang-k8s-api-dev and golang-k8s-apimachinery-dev; last run on 0.36.4). A unit test finds fields that it lacks.
 */
const roots = [
  ...kinds.map(({ schema }) => schema),
  'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
  'io.k8s.api.core.v1.Binding',
  'io.k8s.api.autoscaling.v1.Scale',
  'io.k8s.api.policy.v1.Eviction',
];

/** Messages that JSON writes in a way of their own; see `wellKnown` in decode-message.ts. */
const wellKnown = /\.(?:Time|MicroTime|Quantity|IntOrString|FieldsV1)$/;

interface ProtoField {
  number: number;
  name: string;
  type: string;
  label: 'optional' | 'repeated' | 'map';
}

function generate(directory: string): FieldTable {
  const packages = new Map<string, Map<string, ProtoField[]>>();
  const table: Record<string, MessageField[]> = {};
  const waiting = [...roots];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (table[name] || wellKnown.test(name)) continue;
    const [packageName, message] = splitName(name);
    let messages = packages.get(packageName);
    if (!messages) packages.set(packageName, (messages = readPackage(directory, packageName)));
    const fields = messages.get(message);
    if (!fields) throw new Error(`${name} is not in generated.proto`);
    const pointers = pointersOf(directory, packageName, message);
    const described = fields.map((field) => describe(name, field, pointers));
    table[name] = described;
    waiting.push(...described.flatMap(([, , type]) => (type.includes('.') ? type : [])));
  }
  return Object.fromEntries(Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function splitName(name: string): [string, string] {
  const at = name.lastIndexOf('.');
  return [name.slice(0, at), name.slice(at + 1)];
}

function folderOf(directory: string, packageName: string): string {
  return join(directory, packageName.replace(/^io\.k8s\./, '').replaceAll('.', '/'));
}

function readPackage(directory: string, packageName: string): Map<string, ProtoField[]> {
  const text = readFileSync(join(folderOf(directory, packageName), 'generated.proto'), 'utf8');
  const messages = new Map<string, ProtoField[]>();
  for (const [, name = '', body = ''] of text.matchAll(/^message (\w+) \{\n([^]*?)^\}/gm))
    messages.set(
      name,
      [...body.matchAll(fieldLine)].map((match) => protoField(match, packageName)),
    );
  return messages;
}

const fieldLine = /^ {2}(?:(optional|repeated) ([\w.]+)|map<string, ([\w.]+)>) (\w+) = (\d+);/gm;

function protoField(
  [, label, type, mapType, name = '', number]: RegExpExecArray,
  packageName: string,
): ProtoField {
  return {
    number: Number(number),
    name,
    type: resolveType(type ?? mapType ?? '', packageName),
    label: label === 'repeated' ? 'repeated' : label === 'optional' ? 'optional' : 'map',
  };
}

function resolveType(type: string, packageName: string): string {
  if (type === 'int32' || type === 'int64') return 'int';
  if (['string', 'bool', 'bytes', 'double'].includes(type)) return type;
  return type.startsWith('.') ? type.replace(/^\.k8s\.io\./, 'io.k8s.') : `${packageName}.${type}`;
}

/** JSON names of the fields that are pointers in Go: there a zero is something else than nothing. */
function pointersOf(directory: string, packageName: string, message: string): Set<string> {
  const text = readFileSync(join(folderOf(directory, packageName), 'types.go'), 'utf8');
  const struct = new RegExp(`^type ${message} struct \\{\\n([^]*?)^\\}`, 'm').exec(text)?.[1] ?? '';
  const lines = struct.matchAll(/^\t\w+\s+\*[\w.]+\s+`json:"(\w+)/gm);
  return new Set([...lines].map(([, name = '']) => name));
}

function describe(
  message: string,
  { number, name, type, label }: ProtoField,
  pointers: Set<string>,
): MessageField {
  const properties = schemas[message]?.properties;
  if (!properties || Object.hasOwn(properties, name))
    return [number, name, type, modeOf(label, pointers.has(name))];
  if (type.includes('.') && label === 'optional') return [number, name, type, 'inline'];
  const spelled = Object.keys(properties).find((property) => property.toLowerCase() === name.toLowerCase());
  if (spelled === undefined) process.stderr.write(`${message}.${name} is not in the schema\n`);
  return [number, spelled ?? name, type, modeOf(label, pointers.has(spelled ?? name))];
}

function modeOf(label: ProtoField['label'], pointer: boolean): FieldMode {
  if (label !== 'optional') return label;
  return pointer ? 'pointer' : 'value';
}

const [directory] = process.argv.slice(2);
if (directory === undefined)
  throw new Error('want the directory that holds k8s.io/api and k8s.io/apimachinery');
const lines = Object.entries(generate(directory)).map(
  ([name, fields]) => `${JSON.stringify(name)}:${JSON.stringify(fields)}`,
);
writeFileSync(join(import.meta.dirname, 'generated/protobuf-fields.json'), `{\n${lines.join(',\n')}\n}\n`);
