/** kill -9 at any moment costs nothing that was acknowledged. */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { ClassicLevel } from 'classic-level';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { openLevelStore } from '../../server/store/level-store.ts';
import type { Store } from '../../server/store/store.ts';

const kills = 105;
/** From the start signal on: some kills hit the opening, most the writing. */
const lifeMsMax = 100;

/** What the victims said of a key; `undefined` values are deletions. */
interface Told {
  revision: number;
  value: string | undefined;
  tried: string | undefined;
  trying: boolean;
}

it(`${kills} times kill -9 under load loses nothing acknowledged`, { timeout: 120_000 }, async (test) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'flotilla-kill-'));
  const directory = join(folder.path, 'store');
  const told = new Map<string, Told>();
  let revision = 0;
  let acknowledged = 0;
  let epoch: string | undefined;
  let next = victim(directory, 0);
  try {
    for (let kill = 1; kill <= kills; kill++) {
      const current = next;
      next = victim(directory, kill);
      const lines = await liveAndDie(current, directory, kill);
      acknowledged += note(lines, told);
      await using store = await openStore(directory);
      epoch ??= store.epoch;
      assert.equal(store.epoch, epoch);
      assert.ok(store.revision >= revision, 'a revision went back');
      revision = store.revision;
      await checkTold(store, told);
      await checkHistory(store);
      if (kill % 10 === 0) await checkRecords(directory, store);
    }
  } finally {
    next.kill('SIGKILL');
  }
  test.diagnostic(`${acknowledged} acknowledged writes, revision ${revision}`);
  assert.ok(acknowledged > kills, 'the victims wrote too little to prove anything');
});

function openStore(directory: string): Promise<Store> {
  return openLevelStore({ directory, clock: systemClock, log: silentLogger });
}

/** Loads its program while the one before it is still at work. */
function victim(directory: string, life: number): ChildProcessWithoutNullStreams {
  const program = join(import.meta.dirname, 'store-kill-writer.ts');
  const child = spawn(process.execPath, [program, directory, String(life)]);
  child.stdin.on('error', () => {});
  return child;
}

/** Returns the lines it said, without one that death cut short. */
async function liveAndDie(
  child: ChildProcessWithoutNullStreams,
  directory: string,
  kill: number,
): Promise<string[]> {
  let output = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaint += chunk));
  const closed = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once('close', (_code, signal) => resolve(signal)),
  );
  child.stdin.write('go\n');
  if (kill === 1 || kill % 4 === 0) {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await assert.rejects(openStore(directory), { code: 'Locked' });
  }
  await new Promise((resolve) => setTimeout(resolve, Math.random() * lifeMsMax));
  child.kill('SIGKILL');
  assert.equal(await closed, 'SIGKILL', complaint);
  return output.split('\n').slice(0, -1);
}

/** Returns how many writes were acknowledged. */
function note(lines: string[], told: Map<string, Told>): number {
  let acknowledged = 0;
  for (const line of lines) {
    const [verb, key = '', ...rest] = line.split(' ');
    if (verb === 'open') continue;
    const before = told.get(key) ?? { revision: 0, value: undefined, tried: undefined, trying: false };
    if (verb === 'try') told.set(key, { ...before, tried: spoken(rest[0]), trying: true });
    else {
      const revision = Number(rest[0]);
      assert.ok(revision > before.revision, `${key} went from revision ${before.revision} to ${revision}`);
      told.set(key, { revision, value: spoken(rest[1]), tried: undefined, trying: false });
      acknowledged++;
    }
  }
  return acknowledged;
}

function spoken(value: string | undefined): string | undefined {
  return value === '-' ? undefined : value;
}

/** Each key is as last acknowledged, or as the one write that was under way would have it. Notes which it is. */
async function checkTold(store: Store, told: Map<string, Told>): Promise<void> {
  for (const [key, each] of told) {
    const entry = await store.get(key);
    const value = entry && Buffer.from(entry.value).toString();
    const kept = value === each.value && (entry?.revision ?? each.revision) === each.revision;
    const went = each.trying && value === each.tried && (entry?.revision ?? store.revision) > each.revision;
    assert.ok(kept || went, `${key}: ${JSON.stringify({ ...each, found: value, at: entry?.revision })}`);
    assert.ok(store.revision >= each.revision);
    told.set(key, { revision: entry?.revision ?? each.revision, value, tried: undefined, trying: false });
  }
}

/** The state at the floor plus the log make the current state, and no revision is missing in between. */
async function checkHistory(store: Store): Promise<void> {
  const { entries: base } = await store.list('', { revision: store.floor });
  const state = new Map(base.map((entry) => [entry.key, entry]));
  let last = store.floor;
  let operations = 0;
  if (store.floor < store.revision) {
    for await (const { events, revision } of store.watch('', store.floor, new AbortController())) {
      for (const { type, key, value, previous, revision: at } of events) {
        assert.ok(at === last || at === last + 1, `revision ${at} after ${last}`);
        operations = at === last ? operations + 1 : 1;
        // The victims count in the same transaction as they write, and count first.
        const counted = key.startsWith('count/');
        assert.equal(counted ? 1 : operations, operations, 'a transaction holds what is not its own');
        last = at;
        assert.deepEqual(previous, state.get(key), `what ${key} was before ${at}`);
        if (type === 'put' && value) state.set(key, { key, value, revision: at });
        else state.delete(key);
      }
      if (revision === store.revision) break;
    }
  }
  assert.equal(last, store.revision);
  const { entries } = await store.list('');
  assert.deepEqual(new Map(entries.map((entry) => [entry.key, entry])), state);
}

/** On disk every put has its value and every value its put. */
async function checkRecords(directory: string, store: Store): Promise<void> {
  await store[Symbol.asyncDispose]();
  const database = new ClassicLevel(directory);
  const puts = new Set<string>();
  for await (const [key, mark] of database.iterator({ gte: 'v/', lt: 'v0' })) {
    const slot = mark.slice(1);
    if (mark.startsWith('p')) puts.add(`r/${key.slice(-11)}${slot && `/${slot}`}`);
  }
  const values = new Set(await database.keys({ gte: 'r/', lt: 'r0' }).all());
  await database.close();
  assert.deepEqual(values, puts);
}
