/** A part of a body, framed once as a chunk of HTTP/1.1's chunked coding (RFC 9112, 7.1) however many clients get it. */
export interface Chunk {
  readonly framed: Buffer;
  /** Without the frame; the same memory. */
  readonly body: Buffer;
}

/** `text` is not empty: an empty chunk ends an answer. */
export function chunkOf(text: string): Chunk {
  const size = Buffer.byteLength(text);
  const head = `${size.toString(16)}\r\n`;
  const framed = Buffer.from(`${head}${text}\r\n`);
  return { framed, body: framed.subarray(head.length, head.length + size) };
}
