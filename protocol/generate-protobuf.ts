import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GoField, type GoTypes, parseGoTypes } from './generate/go-fields.ts';
import { type ProtoField, type ProtoMessage, parseProto } from './generate/proto-files.ts';
import type { FieldRow, MessageTable, PackageTable } from './protobuf/message-table.ts';
import { wellKnownMessages } from './protobuf/well-known-messages.ts';

/**
 * Derives protocol/generated/protobuf.json from the Go packages k8s.io/api and k8s.io/apimachinery: from their
 * generated.proto the numbers and types, from the Go sources beside it the names in JSON.
 *
 *     npm run generate:protobuf -- <folder that holds k8s.io/> <version>
 *
 * Debian has both as golang-k8s-api-dev and golang-k8s-apimachinery-dev (unpacked: usr/share/gocode/src). The table
 * holds every stable group, so that a new kind needs no new table; run it for a new release of Kubernetes.
 */
export function generateProtobuf(folder: string, source: string): string {
  const packages = [...apiPackages(folder), metaPackage].map((path) => readPackage(folder, path));
  const table: MessageTable = { source, packages: Object.fromEntries(packages) };
  checkReferences(table);
  return writeTable(table);
}

/** What else there is in apimachinery is read by hand-written code: `wellKnownMessages`. */
const metaPackage = 'k8s.io/apimachinery/pkg/apis/meta/v1';

/** `k8s.io/api/core/v1` and its like, without alphas and betas. */
function apiPackages(folder: string): string[] {
  return readdirSync(join(folder, 'k8s.io/api'), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.name === 'generated.proto' && /\/v\d+$/.test(entry.parentPath))
    .map((entry) => entry.parentPath.slice(entry.parentPath.lastIndexOf('k8s.io/api/')))
    .sort();
}

function readPackage(folder: string, path: string): [string, PackageTable] {
  const directory = join(folder, path);
  const proto = parseProto(readFileSync(join(directory, 'generated.proto'), 'utf8'));
  const sources = readdirSync(directory).filter(
    (name) => name.endsWith('.go') && !/_test\.go$|^generated\.|^zz_/.test(name),
  );
  const types = parseGoTypes(sources.map((name) => readFileSync(join(directory, name), 'utf8')).join('\n'));
  const name = schemaName(proto.package);
  const messages = proto.messages
    .filter((message) => !(`${name}.${message.name}` in wellKnownMessages))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((message) => messageRow(message, types));
  return [name, Object.fromEntries(messages)];
}

/** `.k8s.io.api.core.v1.Pod` → `io.k8s.api.core.v1.Pod`; a name without dots is of the same package. */
function schemaName(proto: string): string {
  return proto.replace(/^\.?k8s\.io\./, 'io.k8s.');
}

/**
 * Nothing for a message whose Go struct does not say how its fields are called: it writes itself in JSON in a way
 * of its own, and `checkReferences` refuses the table when some other message needs it.
 */
function messageRow({ name, fields }: ProtoMessage, types: GoTypes): [string, PackageTable[string]][] {
  const type = types.get(name);
  if (type === 'list') return [[name, '[]string']];
  const rows = fields.flatMap((field) => {
    const go = type?.get(field.number);
    return go ? [fieldRow(field, go)] : [];
  });
  return rows.length === fields.length ? [[name, rows]] : [];
}

function fieldRow({ number, type, shape }: ProtoField, { jsonName, omitsZero }: GoField): FieldRow {
  const name = schemaName(type);
  if (shape === 'list') return [number, jsonName, `[]${name}`];
  if (shape === 'map') return [number, jsonName, `{}${name}`];
  const scalar = /^[a-z]\w*$/.test(type);
  return [number, jsonName, scalar && omitsZero ? `${name}?` : name];
}

/** A field whose message is not in the table could not be read. */
function checkReferences({ packages }: MessageTable): void {
  for (const [name, messages] of Object.entries(packages))
    for (const [message, rows] of Object.entries(messages))
      for (const [, field, type] of typeof rows === 'string' ? [] : rows) {
        const bare = type.replace(/^\[\]|^\{\}/, '').replace(/\?$/, '');
        const [, home = name, target = ''] = /^(?:(.*)\.)?(\w+)$/.exec(bare) ?? [];
        const known = /^[a-z]/.test(target) || `${home}.${target}` in wellKnownMessages;
        if (!known && !packages[home]?.[target])
          throw new Error(`${name}.${message}.${field}: no message ${bare}`);
      }
}

/** One line per message, so that a change of upstream reads as a change of a few lines. */
function writeTable({ source, packages }: MessageTable): string {
  const parts = Object.entries(packages).map(([name, messages]) => {
    const lines = Object.entries(messages).map(
      ([key, rows]) => `${JSON.stringify(key)}:${JSON.stringify(rows)}`,
    );
    return `${JSON.stringify(name)}:{\n${lines.join(',\n')}\n}`;
  });
  return `{"source":${JSON.stringify(source)},"packages":{\n${parts.join(',\n')}\n}}\n`;
}

if (import.meta.main) {
  const [folder, version] = process.argv.slice(2);
  if (folder === undefined || version === undefined)
    throw new Error('usage: npm run generate:protobuf -- <folder that holds k8s.io/> <version>');
  const source = `k8s.io/api and k8s.io/apimachinery ${version}: generated.proto and the tags of the Go structs`;
  writeFileSync(new URL('./generated/protobuf.json', import.meta.url), generateProtobuf(folder, source));
}
