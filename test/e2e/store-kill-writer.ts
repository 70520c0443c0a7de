/**
 * The victim of store-kill.test.ts: after a line on standard input it opens the store in argv[2] and lets several
 * writers loose on it until it is killed. It tells each write on standard output before it is sent (`try`) and
 * after it was acknowledged (`ok`).
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { openLevelStore } from '../../server/store/level-store.ts';

const [, , directory = '', life = ''] = process.argv;
const writers = 6;
const keysPerWriter = 8;

const tell = (line: string) => writeSync(1, `${line}\n`);

await new Promise((resolve) => process.stdin.once('data', resolve));
const store = await openLevelStore({
  directory,
  clock: systemClock,
  log: silentLogger,
  // Small: tables are written and merged all the time.
  writeBufferBytes: 64 * 1024,
  compactionStepVersions: 16,
});
tell(`open ${store.revision}`);
for (let writer = 0; writer < writers; writer++) void write(writer);
void compact();

async function write(writer: number): Promise<void> {
  for (let round = 0; ; round++) {
    const key = `k/${writer}/${Math.floor(Math.random() * keysPerWriter)}`;
    const entry = await store.get(key);
    const value = `${life}-${writer}-${round}${'.'.repeat(Math.random() * 2_000)}`;
    const bytes = Buffer.from(value);
    if (entry && round % 5 === 4) {
      tell(`try ${key} -`);
      tell(`ok ${key} ${await store.delete(key, entry.revision)} -`);
    } else {
      tell(`try ${key} ${value}`);
      const revision = entry
        ? await store.txn(
            [{ key, revision: entry.revision }],
            [
              { type: 'put', key: `count/${writer}`, value: Buffer.from(`${round}`) },
              { type: 'put', key, value: bytes },
            ],
          )
        : await store.create(key, bytes);
      tell(`ok ${key} ${revision} ${value}`);
    }
  }
}

async function compact(): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await store.compact(Math.max(store.revision - 200, 0));
  }
}
