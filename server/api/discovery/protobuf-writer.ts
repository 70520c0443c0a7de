/** Writes one protobuf message (proto3: default values are not written). */
export interface ProtobufWriter {
  string(number: number, value: string): void;
  boolean(number: number, value: boolean): void;
  double(number: number, value: number): void;
  /** A non-negative safe integer. */
  integer(number: number, value: number): void;
  /** A message or bytes; written also when empty, since a message that is there differs from none. */
  bytes(number: number, value: Buffer): void;
  finish(): Buffer;
}

const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;

export function protobufWriter(): ProtobufWriter {
  const parts: Buffer[] = [];
  const bytes = (number: number, value: Buffer) => {
    parts.push(tag(number, lengthDelimited), varintOf(value.length), value);
  };
  const integer = (number: number, value: number) => {
    if (value !== 0) parts.push(tag(number, varint), varintOf(value));
  };
  return {
    bytes,
    integer,
    string: (number, value) => bytes(number, Buffer.from(value)),
    boolean: (number, value) => integer(number, value ? 1 : 0),
    double(number, value) {
      if (value === 0) return;
      const eight = Buffer.alloc(8);
      eight.writeDoubleLE(value);
      parts.push(tag(number, fixed64), eight);
    },
    finish: () => Buffer.concat(parts),
  };
}

function tag(number: number, wireType: number): Buffer {
  return varintOf(number * 8 + wireType);
}

function varintOf(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}
