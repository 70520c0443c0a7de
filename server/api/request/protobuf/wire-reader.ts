/** Reads protobuf's wire format (source: protobuf.dev/programming-guides/encoding). Every method throws WireError. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The next field's number and how its value is written. */
  tag(): { number: number; wireType: number } {
    const tag = Number(this.varint());
    return { number: Math.floor(tag / 8), wireType: tag % 8 };
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#take(1)[0] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new WireError('a number is longer than 64 bits');
  }

  /** A length and as many bytes: a string, bytes, or a message. A view, not a copy. */
  bytes(): Buffer {
    return this.#take(Number(this.varint()));
  }

  double(): number {
    return this.#take(8).readDoubleLE();
  }

  skip(wireType: number): void {
    switch (wireType) {
      case 0:
        this.varint();
        return;
      case 1:
        this.#take(8);
        return;
      case 2:
        this.bytes();
        return;
      case 5:
        this.#take(4);
        return;
      default:
        throw new WireError(`wire type ${wireType} is not known`);
    }
  }

  #take(count: number): Buffer {
    const end = this.#at + count;
    if (!(end <= this.#bytes.length)) throw new WireError('the message ends early');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

export class WireError extends Error {}
