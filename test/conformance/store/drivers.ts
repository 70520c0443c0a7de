/** The store drivers that every rule of this folder runs over. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../../lib/log.ts';
import { openLevelStore } from '../../../server/store/level-store.ts';
import type { LevelLimits } from '../../../server/store/limits.ts';
import { createMemoryStore } from '../../../server/store/memory-store.ts';
import type { Store } from '../../../server/store/store.ts';
import { ManualClock } from '../../support/manual-clock.ts';

export interface OpenedStore extends AsyncDisposable {
  store: Store;
  clock: ManualClock;
  /** Closes the store and opens what it left; a store that leaves nothing stays as it is. */
  reopen(): Promise<Store>;
}

export interface StoreDriver {
  name: string;
  /** Whether what was written is there after a restart. */
  durable: boolean;
  open(limits?: Partial<LevelLimits>): Promise<OpenedStore>;
}

export const memoryDriver: StoreDriver = {
  name: 'memory',
  durable: false,
  async open(limits = {}) {
    const clock = new ManualClock();
    const store = createMemoryStore({ clock, ...limits });
    return {
      store,
      clock,
      reopen: async () => store,
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  },
};

export const levelDriver: StoreDriver = {
  name: 'level',
  durable: true,
  async open(limits = {}) {
    const clock = new ManualClock();
    const directory = await mkdtemp(join(tmpdir(), 'flotilla-store-'));
    const open = () => openLevelStore({ directory, clock, log: silentLogger, ...limits });
    const opened = {
      store: await open(),
      clock,
      async reopen() {
        await opened.store[Symbol.asyncDispose]();
        opened.store = await open();
        return opened.store;
      },
      async [Symbol.asyncDispose]() {
        await opened.store[Symbol.asyncDispose]();
        await rm(directory, { recursive: true, force: true });
      },
    };
    return opened;
  },
};

/** Values as text, since that is what a failing test should show. */
export const bytes = (text: string): Uint8Array => Buffer.from(text);
export const text = (value: Uint8Array | undefined): string | undefined =>
  value && Buffer.from(value).toString();
