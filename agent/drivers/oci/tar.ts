/** Just enough of the ustar format (POSIX.1-1988) to write small files. */
export interface TarEntry {
  /** At most 100 characters, as the format has it. */
  name: string;
  data: Uint8Array;
  mode: number;
  /** Makes it a symbolic link to this, of at most 100 characters; there is no data then. */
  linkTo?: string;
}

const blockBytes = 512;

export function tarArchive(entries: readonly TarEntry[]): Buffer {
  const end = Buffer.alloc(2 * blockBytes);
  return Buffer.concat([...entries.flatMap((entry) => [header(entry), padded(entry.data)]), end]);
}

function header({ name, data, mode, linkTo }: TarEntry): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.write(name, 0, 100);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108); // owner
  block.write(octal(0, 7), 116); // group
  block.write(octal(data.length, 11), 124);
  block.write(octal(0, 11), 136); // changed: never, so that equal content gives an equal archive
  block.fill(' ', 148, 156); // the checksum is taken with blanks in its place
  block.write(linkTo === undefined ? '0' : '2', 156); // a plain file or a symbolic link
  block.write(linkTo ?? '', 157, 100);
  block.write('ustar\u000000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

function padded(data: Uint8Array): Buffer {
  return Buffer.concat([data, Buffer.alloc((blockBytes - (data.length % blockBytes)) % blockBytes)]);
}
