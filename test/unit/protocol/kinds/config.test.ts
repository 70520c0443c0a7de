import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigMap, Secret } from '../../../../protocol/generated/models.ts';
import { configMapKind } from '../../../../protocol/kinds/config-map.ts';
import { secretKind } from '../../../../protocol/kinds/secret.ts';
import { admit, faults, row, updateFaults } from './admit.ts';

const metadata = { name: 'c', namespace: 'here' };
const base64 = (text: string) => Buffer.from(text).toString('base64');
const key =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

test('stringData is written over data and never stored', () => {
  const secret = admit(secretKind, {
    metadata,
    data: { a: base64('old'), b: base64('b') },
    stringData: { a: 'new', c: 'grüß' },
  });
  assert.deepEqual(secret, {
    metadata,
    type: 'Opaque',
    data: { a: base64('new'), b: base64('b'), c: base64('grüß') },
  });
});

test('keys of ConfigMaps and Secrets become file names and must look like them', () => {
  assert.deepEqual(faults(configMapKind, { metadata, data: { 'a/b': '', '..': '' } }), [
    `data[a/b]: Invalid value: "a/b": ${key}`,
    'data[..]: Invalid value: "..": must not be \'..\'',
  ]);
  assert.deepEqual(faults(secretKind, { metadata, data: { '..x': '' } }), [
    'data[..x]: Invalid value: "..x": must not start with \'..\'',
  ]);
  assert.deepEqual(faults(configMapKind, { metadata, data: { a: '' }, binaryData: { a: '' } }), [
    'data[a]: Invalid value: "a": duplicate of key present in binaryData',
  ]);
});

test('content is limited to 1 MiB, decoded', () => {
  const half = 'x'.repeat(512 * 1024);
  assert.deepEqual(
    faults(configMapKind, { metadata, data: { a: half }, binaryData: { b: base64(half) } }),
    [],
  );
  assert.deepEqual(faults(configMapKind, { metadata, data: { a: half, b: half, c: 'x' } }), [
    ': Too long: may not be more than 1048576 bytes',
  ]);
  assert.deepEqual(faults(secretKind, { metadata, stringData: { a: half, b: half } }), []);
  assert.deepEqual(faults(secretKind, { metadata, stringData: { a: half, b: half, c: 'x' } }), [
    'data: Too long: may not be more than 1048576 bytes',
  ]);
});

test('what is immutable stays as it is, and immutable', () => {
  const frozen: ConfigMap = { metadata, data: { a: '1' }, immutable: true };
  const detail = 'Forbidden: field is immutable when `immutable` is set';
  const changed = updateFaults(configMapKind, frozen, (next) => {
    next.data = { a: '2' };
    delete next.immutable;
  });
  assert.deepEqual(changed, [`immutable: ${detail}`, `data: ${detail}`]);
  const labelled = updateFaults(configMapKind, frozen, (next) => {
    next.metadata = { ...next.metadata, labels: { a: 'b' } };
  });
  assert.deepEqual(labelled, []);
  const secret: Secret = { metadata, data: { a: base64('1') }, immutable: true };
  const rewritten = updateFaults(secretKind, secret, (next) => {
    next.stringData = { a: '2' };
    next.type = 'other';
  });
  assert.deepEqual(rewritten, ['type: Invalid value: "other": field is immutable', `data: ${detail}`]);
});

test('a typed secret holds the keys of its type, and its content never shows in a message', () => {
  const typed = (type: string, data: Record<string, string> = {}) =>
    faults(secretKind, { metadata, type, data });
  assert.deepEqual(typed('kubernetes.io/tls', { 'tls.crt': '' }), ['data[tls.key]: Required value']);
  assert.deepEqual(typed('kubernetes.io/basic-auth'), [
    'data[username]: Required value',
    'data[password]: Required value',
  ]);
  assert.deepEqual(typed('kubernetes.io/dockerconfigjson', { '.dockerconfigjson': base64('hunter2') }), [
    'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": must be JSON',
  ]);
  assert.deepEqual(typed('kubernetes.io/service-account-token'), [
    'metadata.annotations[kubernetes.io/service-account.name]: Required value',
  ]);
  assert.deepEqual(typed('toString'), []);
});

test('DATA counts the keys', () => {
  assert.equal(row(configMapKind, { metadata, data: { a: '' }, binaryData: { b: '' } })['Data'], 2);
  const cells = row(secretKind, { metadata, type: 'Opaque', data: { a: '' } });
  assert.deepEqual([cells['Type'], cells['Data']], ['Opaque', 1]);
});
