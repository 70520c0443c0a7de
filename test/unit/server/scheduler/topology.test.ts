import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { PodCounts } from '../../../../server/scheduler/pod-counts.ts';
import { schedulingWorld, type World } from './scheduling-world.ts';

const zone = 'topology.kubernetes.io/zone';
const web = { app: 'web' };
const selector = { matchLabels: web };
const spread = (more: object = {}) => ({
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: zone, whenUnsatisfiable: 'DoNotSchedule', labelSelector: selector, ...more },
  ],
});
const affinity = (kind: string, term: object = {}) => ({
  affinity: {
    [kind]: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: selector, topologyKey: zone, ...term },
      ],
    },
  },
});
const zones = (world: World, ...names: string[]) => {
  for (const [index, name] of names.entries()) world.node(`n${index}`, { labels: { [zone]: name } });
};

test('a pod never makes the skew between domains larger than it allows', async () => {
  await using world = await schedulingWorld();
  zones(world, 'east', 'west', 'west');
  world.pod('a', { labels: web, node: 'n1' });
  assert.equal(world.choose(world.pod('x', { labels: web, spec: spread() })), 'n0');
  world.pod('b', { labels: web, node: 'n0', cpu: '4' });
  world.pod('c', { labels: web, node: 'n1' });
  assert.equal(
    world.choose(world.pod('y', { labels: web, spec: spread() })),
    "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match pod topology spread constraints.",
  );
  assert.match(world.choose(world.pod('z', { labels: web, spec: spread({ maxSkew: 2 }) })), /^n[12]$/);
  world.removePod('c');
  assert.match(world.choose(world.pod('w', { labels: web, spec: spread() })), /^n[12]$/);
});

test('nodes without the label, too few domains and nodes that the pod cannot use count as Kubernetes counts them', async () => {
  await using world = await schedulingWorld();
  zones(world, 'east', 'west');
  world.node('nowhere');
  world.pod('a', { labels: web, node: 'n0' });
  const missing = world.choose(world.pod('m', { labels: web, cpu: '9', spec: spread() }));
  assert.match(missing, /3 Insufficient cpu/);
  assert.match(
    world.choose(
      world.pod('n', {
        labels: web,
        spec: { ...spread(), nodeSelector: { 'kubernetes.io/hostname': 'nowhere' } },
      }),
    ),
    /1 node\(s\) didn't match pod topology spread constraints \(missing required label\)/,
  );
  const three = spread({ minDomains: 3 });
  assert.equal(world.choose(world.pod('p', { labels: web, spec: three })), 'n1', 'the least counts as 0');
  world.pod('b', { labels: web, node: 'n1' });
  assert.match(world.choose(world.pod('q', { labels: web, spec: three })), /spread constraints/);
  const onlyEast = { ...spread(), nodeSelector: { [zone]: 'east' } };
  world.removePod('b');
  assert.equal(world.choose(world.pod('r', { labels: web, spec: onlyEast })), 'n0', 'west is not for it');
  assert.match(
    world.choose(
      world.pod('s', { labels: web, spec: { ...onlyEast, ...spread({ nodeAffinityPolicy: 'Ignore' }) } }),
    ),
    /spread constraints/,
  );
});

test('ScheduleAnyway and owners prefer where fewer are', async () => {
  await using world = await schedulingWorld();
  zones(world, 'east', 'west');
  world.pod('a', { labels: web, node: 'n0' });
  const soft = spread({ whenUnsatisfiable: 'ScheduleAnyway' });
  assert.equal(world.choose(world.pod('x', { labels: web, spec: soft })), 'n1');
  world.pod('b', { labels: { 'pod-template-hash': 'h' }, owner: 'rs', node: 'n1' });
  assert.equal(world.choose(world.pod('y', { labels: { 'pod-template-hash': 'h' }, owner: 'rs' })), 'n0');
});

test('affinity goes where the others are, and the first of a group that wants to be together goes anywhere', async () => {
  await using world = await schedulingWorld();
  zones(world, 'east', 'west');
  const together = affinity('podAffinity');
  assert.match(
    world.choose(world.pod('lonely', { spec: together })),
    /2 node\(s\) didn't match pod affinity rules/,
  );
  assert.equal(world.choose(world.pod('first', { labels: web, spec: together })), 'n0');
  world.pod('there', { labels: web, node: 'n1' });
  assert.equal(world.choose(world.pod('second', { spec: together })), 'n1');
  world.removePod('there');
  world.pod('other', { labels: web, namespace: 'team', node: 'n1' });
  assert.match(world.choose(world.pod('third', { spec: together })), /affinity rules/, 'another namespace');
  const trusted = affinity('podAffinity', { namespaceSelector: { matchLabels: { trusted: 'yes' } } });
  assert.equal(world.choose(world.pod('fourth', { spec: trusted })), 'n1');
});

test('anti-affinity keeps apart, whichever of the two asks for it', async () => {
  await using world = await schedulingWorld();
  zones(world, 'east', 'east', 'west');
  world.pod('a', { labels: web, node: 'n0' });
  const apart = affinity('podAntiAffinity');
  assert.equal(world.choose(world.pod('x', { spec: apart })), 'n2');
  world.pod('hermit', { labels: { app: 'hermit' }, node: 'n2', spec: apart });
  assert.match(world.choose(world.pod('y', { labels: web })), /^n[01]$/, 'the hermit wants no web near it');
  world.removePod('a');
  world.pod('b', { labels: { app: 'hermit' }, node: 'n0', spec: apart });
  assert.equal(
    world.choose(world.pod('z', { labels: web })),
    "0/3 nodes are available: 3 node(s) didn't satisfy existing pods anti-affinity rules.",
  );
  world.removeNode('n2');
  world.node('n2', { labels: { [zone]: 'north' } });
  assert.match(
    world.choose(world.pod('w', { labels: web })),
    /existing pods/,
    'its hermit came back with it',
  );
});

test('preferred terms draw and drive away by their weight', async () => {
  await using world = await schedulingWorld();
  zones(world, 'east', 'west');
  world.pod('a', { labels: web, node: 'n1' });
  const preferring = (kind: string) => ({
    affinity: {
      [kind]: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 100, podAffinityTerm: { labelSelector: selector, topologyKey: zone } },
        ],
      },
    },
  });
  assert.equal(world.choose(world.pod('x', { spec: preferring('podAffinity') })), 'n1');
  assert.equal(world.choose(world.pod('y', { spec: preferring('podAntiAffinity') })), 'n0');
});

test('cheap links, power and young flash are preferred, and parts of one application keep to one site', async () => {
  await using world = await schedulingWorld();
  world.node('metered', { labels: { 'flotilla.dev/metered': 'true' } });
  world.node('battery', { labels: { 'flotilla.dev/battery': 'true' } });
  world.node('worn', { annotations: { 'flotilla.dev/flash-life-used': '90' } });
  world.node('good');
  assert.equal(world.choose(world.pod('x')), 'good');
  await using sites = await schedulingWorld();
  zones(sites, 'east', 'west');
  const part = { 'app.kubernetes.io/part-of': 'shop' };
  sites.pod('db', { labels: part, node: 'n1' });
  assert.equal(sites.choose(sites.pod('web', { labels: part })), 'n1');
});

test('a node that has a big image is preferred', async () => {
  await using world = await schedulingWorld();
  world.node('without');
  world.node('with', { images: [{ names: ['registry.example/big:1'], sizeBytes: 900 * 2 ** 20 }] });
  const spec = { containers: [{ name: 'c', image: 'registry.example/big:1' }] };
  assert.equal(world.choose(world.pod('x', { spec })), 'with');
});

test('counts by domain are what counting anew gives, whatever comes and goes', async () => {
  await using world = await schedulingWorld();
  const question = {
    key: 'q',
    topologyKey: zone,
    matches: ({ labels }: { labels: Readonly<Record<string, string>> }) => labels['app'] === 'web',
    bucket: 'default\0app\0web',
  };
  const live = new PodCounts(world.fleet).ask(question);
  const event = fc.record({
    what: fc.constantFrom('node', 'noNode', 'pod', 'noPod'),
    index: fc.nat(4),
    place: fc.nat(2),
    web: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      for (const { what, index, place, web: isWeb } of events) {
        if (what === 'node') world.node(`n${index}`, { labels: place === 0 ? {} : { [zone]: `z${place}` } });
        else if (what === 'noNode') world.removeNode(`n${index}`);
        else if (what === 'noPod') world.removePod(`p${index}`);
        else {
          world.removePod(`p${index}`);
          world.pod(`p${index}`, { labels: isWeb ? web : {}, node: `n${place}` });
        }
        const anew = new PodCounts(world.fleet).ask(question);
        const shown = (counts: typeof live) => ({
          at: world.fleet.nodes.map((node) => counts.at(node)),
          numbers: [counts.total, counts.domains, counts.min, counts.max],
        });
        assert.deepEqual(shown(live), shown(anew));
      }
    }),
    { numRuns: 60 },
  );
});
