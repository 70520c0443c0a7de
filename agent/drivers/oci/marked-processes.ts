import { readdir, readFile } from 'node:fs/promises';
import { type Clock, sleep } from '../../../lib/clock.ts';
import { sendSignal } from '../process-identity.ts';

/**
 * An engine's `exec` is a client: what it began in the container goes on when the client is killed, and no engine has a
 * command to end it. So each gets a variable of its own, which its children have too, and by which they are found in the
 * host's /proc.
 */
export const markName = 'FLOTILLA_EXEC';

/** The client may have been killed just before its command began. */
const lookAgainMs = [0, 300, 1_500];

export async function killMarked(mark: string, clock: Clock): Promise<void> {
  const variable = Buffer.from(`${markName}=${mark}\0`);
  for (const waitMs of lookAgainMs) {
    if (waitMs > 0) await sleep(clock, waitMs);
    let killed = 0;
    for (const pid of await readdir('/proc').catch(() => [])) {
      if (!/^\d+$/.test(pid)) continue;
      const environment = await readFile(`/proc/${pid}/environ`).catch(() => undefined);
      if (!environment?.includes(variable)) continue;
      sendSignal(Number(pid), 'SIGKILL');
      killed += 1;
    }
    if (killed > 0) return;
  }
}
