import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  parseRegistriesConf,
  placesOf,
  renderRegistryTable,
} from '../../../../agent/layers/registries-conf.ts';

const text = `
unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "docker.io"
location = "cache.example:5000/hub" # ours
[[registry.mirror]]
location = 'near.example/hub'
insecure = true
pull-from-mirror = "digest-only"
[[registry]]
location = "docker.io/private"
blocked = true
[[registry]]
prefix = "*.lab.example"
insecure = true
[aliases]
"x" = "docker.io/library/x"
`;

suite('registries.conf', () => {
  const tables = parseRegistriesConf(text);

  test('the longest prefix decides where a repository is had', () => {
    assert.ok(tables);
    assert.deepEqual(placesOf('docker.io/library/nginx', tables), {
      own: { location: 'cache.example:5000/hub/library/nginx', insecure: false, answers: 'all' },
      mirrors: [{ location: 'near.example/hub/library/nginx', insecure: true, answers: 'digests' }],
      prefix: 'docker.io',
      blocked: false,
    });
    assert.equal(placesOf('docker.io/private/app', tables).blocked, true);
    assert.equal(placesOf('docker.io/privateer/app', tables).blocked, false);
    const lab = placesOf('one.lab.example:5000/app', tables).own;
    assert.deepEqual(lab, { location: 'one.lab.example:5000/app', insecure: true, answers: 'all' });
    assert.deepEqual(placesOf('lab.example/app', tables).own.insecure, false);
    assert.equal(placesOf('docker.io.evil.example/app', tables).prefix, undefined);
  });

  test('what is written for the engine says the same, with the mirror before it', () => {
    assert.ok(tables);
    const name = 'docker.io/library/nginx';
    const places = placesOf(name, tables);
    const again = parseRegistriesConf(text + renderRegistryTable(name, '127.0.0.1:4711/abc', places));
    assert.deepEqual(again && placesOf(name, again), {
      own: places.own,
      mirrors: [{ location: '127.0.0.1:4711/abc', insecure: true, answers: 'all' }, ...places.mirrors],
      prefix: name,
      blocked: false,
    });
  });

  test('settings in another form are left to the engine alone', () => {
    for (const other of [
      '[registries.search]\nregistries = ["docker.io"]',
      'registry = [{ location = "a.example" }]',
      '[[registry]]\nlocation = """\na"""',
    ])
      assert.equal(parseRegistriesConf(other), undefined, other);
  });
});
