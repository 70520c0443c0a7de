import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { openJournal } from '../../../../agent/desired/journal.ts';
import { ImageCollector } from '../../../../agent/images/collector.ts';
import { Importer } from '../../../../agent/images/importer.ts';
import { Inventory, reportedImages } from '../../../../agent/images/inventory.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { MemoryDisk } from '../../../sim/memory-disk.ts';
import { eventually } from '../../../support/eventually.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { FakeImageStore, stored } from './fake-image-store.ts';

suite('images of the node', () => {
  test('are told by size, the fifty largest, by the names that pods may give them', () => {
    const many = Array.from({ length: 60 }, (_none, at) => stored(`r.example/app:${at}`, at));
    const told = reportedImages([...many, stored('docker.io/library/web:1', 1_000)]);
    assert.equal(told.length, 50);
    assert.deepEqual(told[0]?.names, [
      'docker.io/library/web:1',
      'web:1',
      `docker.io/library/web@sha256:${'1'.repeat(64)}`,
    ]);
    assert.deepEqual(told[1]?.sizeBytes, 59);
  });

  test('are looked at when something changed, once for many changes', async () => {
    const clock = new ManualClock();
    const reports: unknown[] = [];
    const store = new FakeImageStore(stored('r.example/app:1'));
    const report = (images: unknown) => void reports.push(images);
    const inventory = new Inventory({ store, clock, log: silentLogger, report });
    inventory.changed();
    await clock.advance(1_000);
    inventory.changed();
    await clock.advance(60_000);
    assert.equal(reports.length, 1);
    inventory.stop();
  });
});

suite('images that nobody uses', () => {
  const gibibyte = 2 ** 30;

  function collector(store: FakeImageStore, options: { usedPercent: number; wanted?: string[] }) {
    const clock = new ManualClock();
    const told: string[] = [];
    const made = new ImageCollector({
      store,
      clock,
      log: silentLogger,
      dataDir: '/',
      space: async () => ({
        totalBytes: 10 * gibibyte,
        availableBytes: ((100 - options.usedPercent) / 10) * gibibyte,
        totalInodes: 1,
        freeInodes: 1,
      }),
      highPercent: 85,
      lowPercent: 80,
      wanted: () => options.wanted ?? [],
      announce: ({ reason }) => void told.push(reason),
      onRemoved: () => {},
    });
    return { clock, told, made };
  }

  const names = (store: FakeImageStore) => store.images.map(({ imageId }) => imageId);

  test('stay while there is room', async () => {
    const store = new FakeImageStore(stored('r.example/app:1'));
    const { clock, made } = collector(store, { usedPercent: 84 });
    made.start();
    await clock.advance(20 * 60_000);
    assert.equal(store.images.length, 1);
    made.stop();
  });

  test('go when the disk is nearly full, no more than needed, never what is wanted, used or made here', async () => {
    const store = new FakeImageStore(
      stored('r.example/wanted:1', gibibyte),
      stored('docker.io/library/familiar:latest', gibibyte),
      stored('r.example/used:1', gibibyte),
      stored('localhost/made:1', gibibyte),
      stored('r.example/large:1', 0.9 * gibibyte),
      stored('r.example/small:1', 0.1 * gibibyte),
    );
    store.used.add('r.example/used:1');
    const wanted = ['r.example/wanted:1', 'familiar'];
    const { clock, made, told } = collector(store, { usedPercent: 88, wanted });
    made.start();
    await clock.advance(5 * 60_000);
    assert.equal(store.images.length, 6, 'each is left alone for a while first');
    await clock.advance(5 * 60_000);
    assert.deepEqual(names(store), [
      'r.example/wanted:1',
      'docker.io/library/familiar:latest',
      'r.example/used:1',
      'localhost/made:1',
      'r.example/small:1',
    ]);
    assert.deepEqual(told, ['FreeDiskSpaceFailed']);
    made.stop();
  });

  test('go before pods do when the disk is short, and nothing is tried over and over', async () => {
    const store = new FakeImageStore(stored('r.example/app:1'));
    const { clock, made } = collector(store, { usedPercent: 50 });
    made.start();
    await clock.advance(5 * 60_000);
    await clock.advance(5 * 60_000);
    assert.equal(await made.relieve('nodefs'), true);
    assert.equal(await made.relieve('nodefs'), false);
    store.images = [stored('r.example/other:1')];
    assert.equal(await made.relieve('nodefs'), false);
    made.stop();
  });
});

suite('archives of images', () => {
  async function importing(store: FakeImageStore) {
    const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-import-'));
    const journal = await openJournal({ path: '/journal', log: silentLogger, disk: new MemoryDisk() });
    const told: string[] = [];
    const clock = new ManualClock();
    const start = async () => {
      const importer = new Importer({
        dataDir,
        store,
        journal,
        clock,
        log: silentLogger,
        announce: ({ reason, message }) => void told.push(`${reason}: ${message}`),
        onImported: () => {},
      });
      await importer.start();
      return importer;
    };
    const put = (name: string, text: string) => writeFile(join(dataDir, 'import', name), text);
    /** Files are really read, so that time moves on until it is so. */
    const until = (what: () => boolean) =>
      eventually(() => {
        void clock.advance(2_000);
        return what();
      }, 'what was waited for');
    const end = () => rm(dataDir, { recursive: true, force: true });
    return { start, put, until, told, end, dataDir };
  }

  test('are taken in once each, when they do not grow any more, also by the next agent', async (t) => {
    const store = new FakeImageStore();
    const bench = await importing(store);
    t.after(bench.end);
    const first = await bench.start();
    await bench.put('a.tar', 'one');
    await bench.put('readme.txt', 'no archive');
    await bench.until(() => first.imported().length > 0);
    assert.deepEqual(store.loaded, [join(bench.dataDir, 'import/a.tar')]);
    assert.deepEqual(first.imported(), ['docker.io/library/app:1']);
    assert.match(bench.told[0] ?? '', /^ImageImported: Imported a\.tar: docker\.io\/library\/app:1, in /);
    first.stop();
    const second = await bench.start();
    await bench.put('b.tar', 'two');
    await bench.until(() => store.loaded.length > 1);
    assert.deepEqual(store.loaded.slice(1), [join(bench.dataDir, 'import/b.tar')]);
    await rm(join(bench.dataDir, 'import/a.tar'));
    await rm(join(bench.dataDir, 'import/b.tar'));
    await bench.until(() => second.imported().length === 0);
    second.stop();
  });

  test('that are none are told of once', async (t) => {
    const store = new FakeImageStore();
    store.loadError = new Error('bad header');
    const bench = await importing(store);
    t.after(bench.end);
    const importer = await bench.start();
    await bench.put('a.tar', 'one');
    await bench.until(() => bench.told.length > 0);
    assert.match(bench.told[0] ?? '', /^ImageImportFailed: a\.tar is not an archive .*: bad header$/);
    store.loadError = undefined;
    await bench.put('b.tar', 'two');
    await bench.until(() => bench.told.length > 1);
    assert.deepEqual(store.loaded, [join(bench.dataDir, 'import/b.tar')]);
    importer.stop();
  });
});
