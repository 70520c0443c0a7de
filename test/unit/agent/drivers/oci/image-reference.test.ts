import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isImageReference,
  isLocalOnly,
  qualifiedReference,
} from '../../../../../agent/drivers/oci/image-reference.ts';

test('an unqualified name is Docker Hub, as for Kubernetes', () => {
  const expected: Record<string, string> = {
    nginx: 'docker.io/library/nginx',
    'nginx:1.29': 'docker.io/library/nginx:1.29',
    'user/app': 'docker.io/user/app',
    'ghcr.io/user/app:v1': 'ghcr.io/user/app:v1',
    'registry:5000/app': 'registry:5000/app',
    'localhost/app': 'localhost/app',
  };
  for (const [image, qualified] of Object.entries(expected))
    assert.equal(qualifiedReference(image), qualified);
});

test('only names without a registry behind them are local', () => {
  assert.equal(isLocalOnly('localhost/app:1'), true);
  assert.equal(isLocalOnly('localhost:5000/app:1'), false);
});

test('names are told from what an engine would read as something else', () => {
  const good = ['a', 'a/b/c', 'a_b--c.d', 'x.y:80/a:T_1', `a@sha256:${'0'.repeat(64)}`, 'UPPER.io/a'];
  const bad = ['', '-a', '--help', 'A', 'a:', 'a b', 'a//b', 'a@sha256:0', '/a', 'a\n', 'a'.repeat(600)];
  for (const image of good) assert.equal(isImageReference(image), true, image);
  for (const image of bad) assert.equal(isImageReference(image), false, JSON.stringify(image));
});
