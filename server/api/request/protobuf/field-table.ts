import generated from './generated/protobuf-fields.json' with { type: 'json' };

/**
 * How a field stands in its message: `value` where Go's zero means nothing was said, `pointer` where it means zero, `inline`
 * where JSON writes the inner message's fields into the outer one.
 */
export type FieldMode = 'value' | 'pointer' | 'repeated' | 'map' | 'inline';

/** Number, name in JSON, `string`/`int`/`bool`/`bytes`/`double` or a message's name, and mode. */
export type MessageField = [number: number, name: string, type: string, mode: FieldMode];

/** Fields by message; messages are named as their schemas are. */
export type FieldTable = Readonly<Record<string, readonly MessageField[]>>;

export const fieldTable = generated as unknown as FieldTable;

/** The same by message and number. */
export const fieldsByNumber: ReadonlyMap<string, ReadonlyMap<number, MessageField>> = new Map(
  Object.entries(fieldTable).map(([name, fields]) => [
    name,
    new Map(fields.map((field) => [field[0], field])),
  ]),
);
