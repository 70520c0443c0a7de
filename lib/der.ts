/**
 * The few forms of ASN.1 DER that certificates and certificate requests are made of (source: ITU-T X.690). Bytes
 * in, bytes out; what they mean is the caller's business.
 */
export function derValue(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, content) => sum + content.length, 0);
  return Buffer.concat([Uint8Array.of(tag), encodeLength(length), ...contents]);
}

export function derSequence(...contents: readonly Uint8Array[]): Uint8Array {
  return derValue(0x30, ...contents);
}

export function derSet(...contents: readonly Uint8Array[]): Uint8Array {
  return derValue(0x31, ...contents);
}

/** `[number]` around `contents`, as explicit tags and constructed context values are. */
export function derContext(number: number, ...contents: readonly Uint8Array[]): Uint8Array {
  return derValue(0xa0 | number, ...contents);
}

/** A non-negative integer from its big-endian bytes. */
export function derInteger(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const magnitude = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  const needsSign = ((magnitude[0] ?? 0) & 0x80) !== 0;
  return derValue(0x02, needsSign ? Uint8Array.of(0) : new Uint8Array(), magnitude);
}

export function derBoolean(value: boolean): Uint8Array {
  return derValue(0x01, Uint8Array.of(value ? 0xff : 0));
}

export function derOctets(bytes: Uint8Array): Uint8Array {
  return derValue(0x04, bytes);
}

export function derBits(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return derValue(0x03, Uint8Array.of(unusedBits), bytes);
}

export function derUtf8(text: string): Uint8Array {
  return derValue(0x0c, Buffer.from(text, 'utf8'));
}

/** `oid` in dotted form. */
export function derOid(oid: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = oid.split('.').map(Number);
  return derValue(0x06, Uint8Array.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** UTCTime until 2049, GeneralizedTime after (RFC 5280, 4.1.2.5). Milliseconds since 1970; whole seconds count. */
export function derTime(timeMs: number): Uint8Array {
  const digits = new Date(timeMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const year = Number(digits.slice(0, 4));
  if (year >= 1950 && year < 2050) return derValue(0x17, Buffer.from(digits.slice(2)));
  return derValue(0x18, Buffer.from(digits));
}

/** One value and what it is made of, pointing into the bytes it was read from. */
export interface DerNode {
  tag: number;
  content: Uint8Array;
  /** Tag, length and content. */
  raw: Uint8Array;
}

/** Reads `bytes` as exactly one value. Throws a RangeError on anything else. */
export function readDer(bytes: Uint8Array): DerNode {
  const nodes = readDerAll(bytes);
  const [node] = nodes;
  if (!node || nodes.length > 1) throw new RangeError('not exactly one DER value');
  return node;
}

/** The values that `bytes` (e.g. a sequence's content) is made of. Throws a RangeError when it is not DER. */
export function readDerAll(bytes: Uint8Array): DerNode[] {
  const nodes: DerNode[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0;
    if ((tag & 0x1f) === 0x1f) throw new RangeError('a DER tag of several bytes');
    const { length, headerBytes } = readLength(bytes, at + 1);
    const start = at + 1 + headerBytes;
    if (start + length > bytes.length) throw new RangeError('a DER value is cut off');
    nodes.push({
      tag,
      content: bytes.subarray(start, start + length),
      raw: bytes.subarray(at, start + length),
    });
    at = start + length;
  }
  return nodes;
}

function encodeLength(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.of(0x80 | bytes.length, ...bytes);
}

function readLength(bytes: Uint8Array, at: number): { length: number; headerBytes: number } {
  const first = bytes[at];
  if (first === undefined) throw new RangeError('a DER length is cut off');
  if (first < 0x80) return { length: first, headerBytes: 1 };
  const count = first & 0x7f;
  // Indefinite lengths are not DER; more than four bytes is more than anybody sends.
  if (count === 0 || count > 4) throw new RangeError('a DER length is not acceptable');
  let length = 0;
  for (let index = 1; index <= count; index++) length = length * 256 + (bytes[at + index] ?? 0);
  if (length < 0x80 || length < 256 ** (count - 1)) throw new RangeError('a DER length is not minimal');
  return { length, headerBytes: 1 + count };
}

function base128(number: number): number[] {
  const bytes = [number % 128];
  for (let rest = Math.floor(number / 128); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.unshift(0x80 | (rest % 128));
  }
  return bytes;
}
