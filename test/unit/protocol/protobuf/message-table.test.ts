import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageTable } from '../../../../protocol/protobuf/message-table.ts';
import { refOf, type Schema } from '../../../../protocol/schema/schema.ts';
import { schemas } from '../../../../protocol/schema/schemas.ts';
import { metaPrefix } from '../../../../protocol/schema/well-known.ts';

/** Where an object's message lacks these, the envelope around it has them. */
const typeMeta = ['apiVersion', 'kind'];

/** Groups outside k8s.io/api, whose clients send JSON or nothing. */
const withoutMessages = /^(?:io\.k8s\.(?:apiextensions-apiserver|kube-aggregator|metrics)|dev\.flotilla)\./;

test('the message of every schema has the fields of the schema, of the same types', () => {
  const structs = Object.entries(schemas).filter(
    ([name, schema]) => schema.properties && !withoutMessages.test(name),
  );
  assert.ok(structs.length > 150);
  for (const [name, { properties = {} }] of structs) {
    const message = messageFields(name);
    const fields = Object.entries(properties).filter(([key]) => key in message || !typeMeta.includes(key));
    const expected = Object.fromEntries(fields.map(([key, field]) => [key, shapeOf(field)]));
    assert.deepEqual(message, expected, name);
  }
});

/** Messages of embedded JSON, which a schema describes as any object. */
const freeForm = [`${metaPrefix}.FieldsV1`, 'io.k8s.apimachinery.pkg.runtime.RawExtension'];

/** Fields in JSON with their types, those of inlined messages among them. */
function messageFields(schema: string): Record<string, string> {
  const at = schema.lastIndexOf('.');
  const home = schema.slice(0, at);
  const rows = messageTable.packages[home]?.[schema.slice(at + 1)];
  assert.ok(rows && typeof rows !== 'string', `no message ${schema}`);
  const fields: Record<string, string> = {};
  for (const [, name, declared] of rows) {
    const [, prefix = '', type = ''] = /^(\[\]|\{\}|)([^?]*)\??$/.exec(declared) ?? [];
    const full = /^[A-Z]\w*$/.test(type) ? `${home}.${type}` : type;
    if (name === '') Object.assign(fields, messageFields(full));
    else if (isList(full)) fields[name] = `${prefix}[]string`;
    else fields[name] = freeForm.includes(full) ? 'json' : prefix + full;
  }
  return fields;
}

function isList(schema: string): boolean {
  const at = schema.lastIndexOf('.');
  return messageTable.packages[schema.slice(0, at)]?.[schema.slice(at + 1)] === '[]string';
}

/** A schema's type in the words of the table. */
function shapeOf(schema: Schema): string {
  const reference = refOf(schema);
  if (reference !== undefined) return reference;
  if (schema.type === 'object' && !schema.additionalProperties) return 'json';
  if (schema.type === 'array') return `[]${shapeOf(schema.items ?? {})}`;
  if (schema.additionalProperties) return `{}${shapeOf(schema.additionalProperties)}`;
  if (schema.format === 'byte') return 'bytes';
  if (schema.type === 'integer') return schema.format ?? 'int64';
  if (schema.type === 'boolean') return 'bool';
  return schema.type ?? 'any';
}

test('field numbers are unique within a message', () => {
  for (const [home, messages] of Object.entries(messageTable.packages))
    for (const [name, rows] of Object.entries(messages)) {
      if (typeof rows === 'string') continue;
      assert.equal(new Set(rows.map(([number]) => number)).size, rows.length, `${home}.${name}`);
    }
});

test('the table says which release it was made from', () => {
  assert.match(messageTable.source, /k8s\.io\/api .* 0\.\d+\.\d+/);
});
