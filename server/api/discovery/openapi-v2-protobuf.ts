import { type ProtobufWriter, protobufWriter } from './protobuf-writer.ts';

/**
 * An OpenAPI 2 document as the protobuf message `openapi.v2.Document`, which kubectl up to 1.28 asks for and cannot
 * validate or apply without. Field numbers: github.com/google/gnostic, openapiv2/OpenAPIv2.proto. What that message
 * has no place for is left out; so are, as always in proto3, empty texts, zeros and `false`.
 */
export function encodeOpenApiV2(document: object): Buffer {
  return encode(documentMessage, document as JsonObject);
}

type JsonObject = Readonly<Record<string, unknown>>;
type Encode = (value: unknown) => Buffer;

type Field =
  | { number: number; type: 'string' | 'boolean' | 'double' | 'int64' }
  /** `many`: the JSON array's elements one by one. */
  | { number: number; type: 'message'; encode: Encode; many: boolean };

/** JSON field names with what becomes of them; `vendor` is the number of `vendor_extension`, for all fields x-…. */
interface Message {
  fields: Readonly<Record<string, Field>>;
  vendor?: number;
}

function encode({ fields, vendor }: Message, object: JsonObject): Buffer {
  const writer = protobufWriter();
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined || value === null) continue;
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field) writeField(writer, field, value);
    else if (vendor !== undefined && name.startsWith('x-')) writer.bytes(vendor, named(name, any(value)));
  }
  return writer.finish();
}

function writeField(writer: ProtobufWriter, field: Field, value: unknown): void {
  const { number, type } = field;
  switch (type) {
    case 'string':
      for (const text of [value].flat()) writer.string(number, String(text));
      return;
    case 'boolean':
      writer.boolean(number, value === true);
      return;
    case 'double':
      writer.double(number, Number(value));
      return;
    case 'int64':
      writer.integer(number, Number(value));
      return;
    case 'message':
      for (const part of field.many ? [value].flat() : [value]) writer.bytes(number, field.encode(part));
      return;
    default:
      field satisfies never;
  }
}

const string = (number: number): Field => ({ number, type: 'string' });
const boolean = (number: number): Field => ({ number, type: 'boolean' });
const double = (number: number): Field => ({ number, type: 'double' });
const int64 = (number: number): Field => ({ number, type: 'int64' });
const by = (number: number, encode: Encode): Field => ({ number, type: 'message', encode, many: false });
const each = (number: number, encode: Encode): Field => ({ number, type: 'message', encode, many: true });
const message =
  (description: Message): Encode =>
  (value) =>
    encode(description, value as JsonObject);

/** A message with one field that is set, as `oneof` has it. */
function wrapped(number: number, bytes: Buffer): Buffer {
  const writer = protobufWriter();
  writer.bytes(number, bytes);
  return writer.finish();
}

/** One entry of a map: name 1, value 2. */
function named(name: string, value: Buffer): Buffer {
  const writer = protobufWriter();
  writer.string(1, name);
  writer.bytes(2, value);
  return writer.finish();
}

/** Any JSON value: its text as YAML, which JSON is. */
function any(value: unknown): Buffer {
  const writer = protobufWriter();
  writer.string(2, `${JSON.stringify(value)}\n`);
  return writer.finish();
}

/** A map as a message with a list of its entries. */
const entries =
  (number: number, encodeValue: Encode): Encode =>
  (value) => {
    const writer = protobufWriter();
    for (const [name, entry] of Object.entries(value as JsonObject))
      writer.bytes(number, named(name, encodeValue(entry)));
    return writer.finish();
  };

const texts: Encode = (value) => {
  const writer = protobufWriter();
  for (const text of [value].flat()) writer.string(1, String(text));
  return writer.finish();
};

const externalDocs = message({ fields: { description: string(1), url: string(2) }, vendor: 3 });
const reference = message({ fields: { $ref: string(1), description: string(2) } });

const schemaMessage: Message = {
  fields: {
    $ref: string(1),
    format: string(2),
    title: string(3),
    description: string(4),
    default: by(5, any),
    multipleOf: double(6),
    maximum: double(7),
    exclusiveMaximum: boolean(8),
    minimum: double(9),
    exclusiveMinimum: boolean(10),
    maxLength: int64(11),
    minLength: int64(12),
    pattern: string(13),
    maxItems: int64(14),
    minItems: int64(15),
    uniqueItems: boolean(16),
    maxProperties: int64(17),
    minProperties: int64(18),
    required: string(19),
    enum: each(20, any),
    additionalProperties: by(21, schemaOrBoolean),
    type: by(22, texts),
    items: by(23, (value) => {
      const writer = protobufWriter();
      for (const item of [value].flat()) writer.bytes(1, schema(item));
      return writer.finish();
    }),
    allOf: each(24, schema),
    properties: by(25, (value) => entries(1, schema)(value)),
    discriminator: string(26),
    readOnly: boolean(27),
    externalDocs: by(29, externalDocs),
    example: by(30, any),
  },
  vendor: 31,
};

function schema(value: unknown): Buffer {
  return encode(schemaMessage, value as JsonObject);
}

function schemaOrBoolean(value: unknown): Buffer {
  if (typeof value !== 'boolean') return wrapped(1, schema(value));
  const writer = protobufWriter();
  writer.boolean(2, value);
  return writer.finish();
}

/** Items of a parameter that is an array. */
const primitiveItems = message({ fields: { type: string(1), format: string(2) }, vendor: 18 });

const bodyParameter: Message = {
  fields: {
    description: string(1),
    name: string(2),
    in: string(3),
    required: boolean(4),
    schema: by(5, schema),
  },
  vendor: 6,
};

const headerParameter: Message = {
  fields: {
    required: boolean(1),
    in: string(2),
    description: string(3),
    name: string(4),
    type: string(5),
    format: string(6),
    items: by(7, primitiveItems),
    collectionFormat: string(8),
    default: by(9, any),
    maximum: double(10),
    minimum: double(12),
    maxLength: int64(14),
    minLength: int64(15),
    pattern: string(16),
    uniqueItems: boolean(19),
    enum: each(20, any),
  },
  vendor: 22,
};

/** Like a header's, but `allowEmptyValue` stands in its fifth place. */
const queryParameter: Message = {
  fields: {
    ...Object.fromEntries(
      Object.entries(headerParameter.fields).map(([name, field]) => [
        name,
        field.number < 5 ? field : { ...field, number: field.number + 1 },
      ]),
    ),
    allowEmptyValue: boolean(5),
  },
  vendor: 23,
};

/** The place of each kind of parameter in NonBodyParameter's `oneof`. */
const nonBodyParameters: Readonly<Record<string, { number: number; description: Message }>> = {
  header: { number: 1, description: headerParameter },
  formData: { number: 2, description: queryParameter },
  query: { number: 3, description: queryParameter },
  path: { number: 4, description: headerParameter },
};

/** ParametersItem, and the Parameter in it. */
function parameter(value: unknown): Buffer {
  const object = value as JsonObject;
  if (object.$ref !== undefined) return wrapped(2, reference(object));
  if (object.in === 'body') return wrapped(1, wrapped(1, encode(bodyParameter, object)));
  const place = nonBodyParameters[String(object.in)];
  if (!place) throw new TypeError(`a parameter cannot be in ${JSON.stringify(object.in)}`);
  return wrapped(1, wrapped(2, wrapped(place.number, encode(place.description, object))));
}

const response = message({
  fields: { description: string(1), schema: by(2, (value) => wrapped(1, schema(value))) },
  vendor: 5,
});

function responseOrReference(value: unknown): Buffer {
  return (value as JsonObject).$ref === undefined
    ? wrapped(1, response(value))
    : wrapped(2, reference(value));
}

const operation = message({
  fields: {
    tags: string(1),
    summary: string(2),
    description: string(3),
    externalDocs: by(4, externalDocs),
    operationId: string(5),
    produces: string(6),
    consumes: string(7),
    parameters: each(8, parameter),
    responses: by(9, entries(1, responseOrReference)),
    schemes: string(10),
    deprecated: boolean(11),
  },
  vendor: 13,
});

const pathItem = message({
  fields: {
    $ref: string(1),
    get: by(2, operation),
    put: by(3, operation),
    post: by(4, operation),
    delete: by(5, operation),
    options: by(6, operation),
    head: by(7, operation),
    patch: by(8, operation),
    parameters: each(9, parameter),
  },
  vendor: 10,
});

const contact = message({ fields: { name: string(1), url: string(2), email: string(3) }, vendor: 4 });
const license = message({ fields: { name: string(1), url: string(2) }, vendor: 3 });

const info = message({
  fields: {
    title: string(1),
    version: string(2),
    description: string(3),
    termsOfService: string(4),
    contact: by(5, contact),
    license: by(6, license),
  },
  vendor: 7,
});

const documentMessage: Message = {
  fields: {
    swagger: string(1),
    info: by(2, info),
    host: string(3),
    basePath: string(4),
    schemes: string(5),
    consumes: string(6),
    produces: string(7),
    paths: by(8, entries(2, pathItem)),
    definitions: by(9, entries(1, schema)),
    externalDocs: by(15, externalDocs),
  },
  vendor: 16,
};
