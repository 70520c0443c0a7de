/** Archives as tools do not write them, for tests of who reads them. */
export interface Member {
  name: string;
  data?: string | Uint8Array;
  /** Of tar's header: 0 file, 1 link, 2 symbolic link, 3 device, 5 folder. */
  flag?: string;
  link?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  /** Put before it as a pax header. */
  pax?: Record<string, string | Buffer>;
}

const blockBytes = 512;

export function tarOf(...members: readonly Member[]): Buffer {
  return Buffer.concat([...members.flatMap(blocksOf), Buffer.alloc(2 * blockBytes)]);
}

function blocksOf(member: Member): Buffer[] {
  const { pax, ...plain } = member;
  if (pax) {
    const data = Buffer.concat(Object.entries(pax).map(([key, value]) => record(key, Buffer.from(value))));
    return [...blocksOf({ name: 'pax', data, flag: 'x' }), ...blocksOf(plain)];
  }
  const data = Buffer.from(member.data ?? '');
  const block = Buffer.alloc(blockBytes);
  block.write(member.name, 0, 100);
  for (const [value, at, digits] of [
    [member.mode ?? 0o644, 100, 7],
    [member.uid ?? 0, 108, 7],
    [member.gid ?? 0, 116, 7],
    [data.length, 124, 11],
    [1_700_000_000, 136, 11],
  ] as const)
    block.write(value.toString(8).padStart(digits, '0'), at);
  block.fill(' ', 148, 156);
  block.write(member.flag ?? '0', 156);
  block.write(member.link ?? '', 157, 100);
  block.write('ustar\u000000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return [block, data, Buffer.alloc((blockBytes - (data.length % blockBytes)) % blockBytes)];
}

function record(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}
