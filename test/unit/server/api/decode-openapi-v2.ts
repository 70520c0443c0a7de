/**
 * Reads `openapi.v2.Document` back as JSON, for tests: a table of field numbers (github.com/google/gnostic,
 * openapiv2/OpenAPIv2.proto) and nothing of the encoder. Refuses field numbers that the table does not have.
 */
export function decodeOpenApiV2(bytes: Buffer): unknown {
  return decode('Document', bytes);
}

/** `number name type`: a type ends in `[]` where the field repeats; `=` unwraps, `{}` is a map of named values. */
const messages: Readonly<Record<string, string>> = {
  Document: '1 swagger string, 2 info Info, 8 paths {}PathItem@2, 9 definitions {}Schema',
  Info: '1 title string, 2 version string',
  PathItem:
    '2 get Operation, 3 put Operation, 4 post Operation, 5 delete Operation, 8 patch Operation, 9 parameters ParametersItem[]',
  Operation:
    '1 tags string[], 3 description string, 5 operationId string, 6 produces string[], 7 consumes string[], ' +
    '8 parameters ParametersItem[], 9 responses {}ResponseValue, 13 x- NamedAny[]',
  ParametersItem: '1 = Parameter, 2 = JsonReference',
  Parameter: '1 = BodyParameter, 2 = NonBodyParameter',
  NonBodyParameter: '3 = Query, 4 = Path',
  BodyParameter: '1 description string, 2 name string, 3 in string, 4 required bool, 5 schema Schema',
  Query:
    '1 required bool, 2 in string, 3 description string, 4 name string, 6 type string, 20 uniqueItems bool',
  Path: '1 required bool, 2 in string, 3 description string, 4 name string, 5 type string, 19 uniqueItems bool',
  JsonReference: '1 $ref string',
  ResponseValue: '1 = Response',
  Response: '1 description string, 2 schema SchemaItem',
  SchemaItem: '1 = Schema',
  Schema:
    '1 $ref string, 2 format string, 3 title string, 4 description string, 5 default Any, 7 maximum double, 9 minimum double, ' +
    '11 maxLength int, 12 minLength int, 13 pattern string, 19 required string[], 20 enum Any[], ' +
    '21 additionalProperties AdditionalPropertiesItem, 22 type TypeItem, 23 items ItemsItem, 25 properties {}Schema, 31 x- NamedAny[]',
  AdditionalPropertiesItem: '1 = Schema, 2 = bool',
  TypeItem: '1 = string',
  ItemsItem: '1 = Schema',
  Any: '2 = json',
  NamedAny: '1 name string, 2 value Any',
};

function decode(type: string, bytes: Buffer): unknown {
  const fields = fieldsOf(type);
  const result: Record<string, unknown> = {};
  for (const [number, value] of wireFields(bytes)) {
    const field = fields.get(number);
    if (!field) throw new Error(`${type} has no field ${number}`);
    const { name, kind } = field;
    const read = () => readValue(kind.replace('[]', ''), value);
    if (name === '=') return read();
    if (kind.startsWith('{}')) result[name] = readMap(kind.slice(2), value as Buffer);
    else if (name === 'x-') {
      const extension = read() as { name: string; value: unknown };
      result[extension.name] = extension.value;
    } else if (kind.endsWith('[]'))
      result[name] = [...((result[name] as unknown[] | undefined) ?? []), read()];
    else result[name] = read();
  }
  return result;
}

function fieldsOf(type: string): Map<number, { name: string; kind: string }> {
  const rows = messages[type]?.split(', ') ?? [];
  return new Map(
    rows.map((row) => {
      const [number = '', name = '', kind = ''] = row.split(' ');
      return [Number(number), { name, kind }];
    }),
  );
}

/** A message that repeats an entry of name (1) and value (2); its entries have number 1 unless `@` says otherwise. */
function readMap(kind: string, bytes: Buffer): Record<string, unknown> {
  const [type = '', number = '1'] = kind.split('@');
  const result: Record<string, unknown> = {};
  for (const [at, entry] of wireFields(bytes)) {
    if (at !== Number(number)) throw new Error(`a map of ${type} has no field ${at}`);
    const parts = new Map(wireFields(entry as Buffer));
    result[String(parts.get(1))] = decode(type, parts.get(2) as Buffer);
  }
  return result;
}

function readValue(kind: string, value: Buffer | number): unknown {
  if (kind === 'string') return String(value);
  if (kind === 'json') return JSON.parse(String(value));
  if (kind === 'bool') return value === 1;
  if (kind === 'int') return value;
  if (kind === 'double') return (value as Buffer).readDoubleLE();
  return decode(kind, value as Buffer);
}

function* wireFields(bytes: Buffer): Generator<[number, Buffer | number]> {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes.readUInt8(at++);
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  const take = (length: number) => {
    if (at + length > bytes.length) throw new Error('a field ends beyond its message');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    if (tag % 8 === 0) yield [number, varint()];
    else if (tag % 8 === 1) yield [number, take(8)];
    else if (tag % 8 === 2) yield [number, take(varint())];
    else throw new Error(`wire type ${tag % 8}`);
  }
}
