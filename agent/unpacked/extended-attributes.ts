import { ExecError, run } from '../../lib/exec.ts';

/**
 * Gives files their extended attributes by `setfattr` (package attr), where that is installed: capabilities of programs such as ping, and
 * what belongs to users. Others steer the kernel, an overlay's layers for one, and are no image's business.
 */
export async function setExtendedAttributes(
  wanted: ReadonlyMap<string, ReadonlyMap<string, Buffer>>,
): Promise<void> {
  const records = [...wanted].flatMap(([path, attributes]) => {
    const lines = [...attributes]
      .filter(([name]) => allowed.test(name))
      .map(([name, value]) => `${name}=0s${value.toString('base64')}\n`);
    return lines.length === 0 ? [] : [`# file: ${escaped(path)}\n${lines.join('')}\n`];
  });
  if (records.length === 0) return;
  // One that a file system has no room or no way for is left out, as are all where there is no program for it.
  await run('setfattr', ['--restore=-'], { input: records.join(''), timeoutMs }).catch((error: unknown) => {
    if (!(error instanceof ExecError)) throw error;
  });
}

const allowed = /^(?:security\.capability|user\.(?!overlay\.)[\w.-]+)$/;
const timeoutMs = 60_000;

function escaped(path: string): string {
  return [...Buffer.from(path)]
    .map((byte) =>
      byte <= 0x20 || byte >= 0x7f || byte === 0x5c || byte === 0x3d
        ? `\\${byte.toString(8).padStart(3, '0')}`
        : String.fromCharCode(byte),
    )
    .join('');
}
