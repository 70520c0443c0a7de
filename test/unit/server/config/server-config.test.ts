import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, parseServerConfig } from '../../../../server/config/server-config.ts';

test('without settings the server listens on loopback only', () => {
  const config = parseServerConfig({ flags: { data: '/d' } });
  assert.equal(config.bind, '127.0.0.1');
  assert.equal(config.apiPort, 6443);
  assert.equal(config.mqttPort, 8883);
});

test('a flag beats the file and the file beats the built-in value', () => {
  const config = parseServerConfig({
    file: 'apiPort: 1000\nmqttPort: 1001\n',
    flags: { data: '/d', apiPort: 2000 },
  });
  assert.equal(config.apiPort, 2000);
  assert.equal(config.mqttPort, 1001);
});

test('every bad setting is named in one error', () => {
  assert.throws(
    () => parseServerConfig({ file: 'apiPort: many\nbindd: x\nbind: nowhere\n', flags: { data: '/d' } }),
    (error) =>
      error instanceof ConfigError &&
      /apiPort: /.test(error.message) &&
      /bindd: there is no such setting/.test(error.message) &&
      /bind: must be an IP address/.test(error.message),
  );
});

test('a file that is not YAML, or not settings, is refused in words', () => {
  assert.throws(() => parseServerConfig({ file: 'a: [', flags: { data: '/d' } }), /not YAML/);
  assert.throws(() => parseServerConfig({ file: '- a\n', flags: { data: '/d' } }), /`name: value` lines/);
});
