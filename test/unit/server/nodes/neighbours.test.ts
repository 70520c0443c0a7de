import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import type { Node } from '../../../../protocol/generated/models.ts';
import { layersPortAnnotation, type Neighbours, siteLabel } from '../../../../protocol/kinds/neighbours.ts';
import type { SetEntry } from '../../../../protocol/topics/sync.ts';
import type { CacheChange, Informer } from '../../../../server/cache/informer.ts';
import { NeighboursTracker } from '../../../../server/nodes/neighbours.ts';

interface Told {
  name: string;
  site?: string;
  port?: string;
  address?: string;
}

/** Nodes as a cache has them, and what a tracker tells of them. */
class Fleet {
  readonly nodes = new Map<string, Node>();
  readonly told = new Map<string, Neighbours>();
  dirty: string[] = [];
  #tracker: NeighboursTracker | undefined;
  #handler: ((change: CacheChange<Node>) => void) | undefined;

  constructor(nodes: Iterable<Node> = []) {
    for (const node of nodes) this.nodes.set(node.metadata?.name ?? '', node);
    const onChange = (handler: (change: CacheChange<Node>) => void) => {
      this.#handler = handler;
      for (const object of this.nodes.values()) handler({ type: 'added', object });
      return { [Symbol.dispose]: () => {} };
    };
    this.#tracker = new NeighboursTracker({
      nodes: { onChange } as unknown as Informer<Node>,
      put: (node, { object }: SetEntry) => void this.told.set(node, object as unknown as Neighbours),
      remove: (node) => void this.told.delete(node),
      onDirty: (node) => void this.dirty.push(node),
    });
    this.#tracker.start();
  }

  set({ name, site, port, address = '10.0.0.1' }: Told): void {
    const old = this.nodes.get(name);
    const object: Node = {
      metadata: {
        name,
        ...(site === undefined ? {} : { labels: { [siteLabel]: site } }),
        ...(port === undefined ? {} : { annotations: { [layersPortAnnotation]: port } }),
      },
      status: { addresses: [{ type: 'InternalIP', address }] },
    };
    this.nodes.set(name, object);
    this.dirty = [];
    this.#handler?.(old ? { type: 'updated', old, object } : { type: 'added', object });
  }

  remove(name: string): void {
    const object = this.nodes.get(name);
    this.nodes.delete(name);
    if (object) this.#handler?.({ type: 'deleted', object });
  }

  namesFor(name: string): string[] | undefined {
    return this.told.get(name)?.devices.map((device) => device.name);
  }
}

suite('devices of a site', () => {
  test('are told of those of their site that give layers, with where they are', () => {
    const fleet = new Fleet();
    fleet.set({ name: 'a', site: 'hall', port: '8885', address: '10.0.0.7' });
    fleet.set({ name: 'b', site: 'hall', port: '8885' });
    fleet.set({ name: 'silent', site: 'hall' });
    fleet.set({ name: 'far', site: 'barn', port: '8885' });
    fleet.set({ name: 'nowhere', port: '8885' });
    const a = { name: 'a', addresses: ['10.0.0.7'], port: 8885 };
    assert.deepEqual(fleet.told.get('b'), { site: 'hall', devices: [a] });
    assert.deepEqual(fleet.told.get('silent'), { site: 'hall', devices: [] });
    assert.deepEqual(fleet.namesFor('far'), []);
    assert.equal(fleet.told.has('nowhere'), false);
    fleet.set({ name: 'a', site: 'hall', port: '8885', address: '10.0.0.8' });
    assert.deepEqual(fleet.dirty.sort(), ['a', 'b']);
    assert.deepEqual(fleet.told.get('b')?.devices[0]?.addresses, ['10.0.0.8']);
    fleet.set({ name: 'a', site: 'hall', port: '70000' });
    assert.deepEqual(fleet.namesFor('b'), []);
  });

  test('are a few of many, and one that comes or goes costs a few', () => {
    const fleet = new Fleet();
    for (let at = 0; at < 100; at += 1) fleet.set({ name: `n${at}`, site: 'hall', port: '8885' });
    fleet.set({ name: 'new', site: 'hall', port: '8885' });
    assert.ok(fleet.dirty.length <= 9, `${fleet.dirty.length}`);
    const known = [...fleet.nodes.keys()].flatMap((name) => fleet.namesFor(name) ?? []);
    for (const name of fleet.nodes.keys()) {
      assert.equal(fleet.namesFor(name)?.length, 8);
      assert.equal(known.filter((other) => other === name).length, 8);
    }
  });

  test('are told what counting anew gives, whatever came and went', () => {
    const name = fc.constantFrom(...Array.from({ length: 14 }, (_none, at) => `n${at}`));
    const change = fc.record({
      name,
      site: fc.constantFrom('hall', 'hall', 'hall', 'barn', undefined),
      port: fc.constantFrom('8885', '8885', '8886', undefined),
      address: fc.constantFrom('10.0.0.1', '10.0.0.2'),
      goes: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const fleet = new Fleet();
        for (const { goes, site, port, ...rest } of changes)
          if (goes) fleet.remove(rest.name);
          else fleet.set({ ...rest, ...(site ? { site } : {}), ...(port ? { port } : {}) });
        const anew = new Fleet(fleet.nodes.values());
        assert.deepEqual(
          [...fleet.told].sort(([one], [other]) => (one < other ? -1 : 1)),
          [...anew.told].sort(([one], [other]) => (one < other ? -1 : 1)),
        );
        for (const [own, { devices }] of fleet.told)
          assert.ok(!devices.some((device) => device.name === own));
      }),
      { numRuns: 200 },
    );
  });
});
