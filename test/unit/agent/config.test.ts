import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseAgentConfig, parseLabels, parseServer } from '../../../agent/config.ts';

const good = { dataDir: '/data', server: { host: 'server', port: 8883 }, name: 'pi-1.lab' };

suite('agent configuration', () => {
  test('what is not said gets its usual value', () => {
    assert.deepEqual(parseAgentConfig(good), {
      ...good,
      allowedUnsafeSysctls: [],
      devices: {},
      hostRoot: '/',
      labels: {},
      runtime: 'auto',
      podPidsMax: 1024,
      reserve: '',
      evictionHard: '',
      evictionPressureTransitionSeconds: 300,
      imageGcHighThreshold: 85,
      imageGcLowThreshold: 80,
      layersBytesMax: 2 ** 30,
      layersPort: 8885,
      stopWorkloads: false,
    });
  });

  for (const name of ['Pi', 'pi_1', '-pi', 'pi.', '', 'a'.repeat(254), 'a..b']) {
    test(`the name ${JSON.stringify(name.slice(0, 20))} is refused and quoted`, () => {
      assert.throws(() => parseAgentConfig({ ...good, name }), {
        code: 'BadConfig',
        message: /name \(".*must/s,
      });
    });
  }

  test('only parameters that pods have of their own can be allowed', () => {
    const allowed = (...allowedUnsafeSysctls: string[]) =>
      parseAgentConfig({ ...good, allowedUnsafeSysctls });
    const good3 = ['net.core.somaxconn', 'kernel.msg*', 'net/ipv4/*', 'fs.mqueue.msg_max'];
    assert.deepEqual(allowed(...good3).allowedUnsafeSysctls, good3);
    for (const bad of ['vm.swappiness', '*', 'kernel.*', 'net.*x', 'kernel.panic', ''])
      assert.throws(() => allowed(bad), { code: 'BadConfig', message: /nothing that a pod has of its own/ });
  });

  test('every bad setting is named at once', () => {
    const bad = { ...good, name: 'X', server: { host: '', port: 70_000 }, colour: 'red' };
    assert.throws(
      () => parseAgentConfig(bad),
      (error: Error) => {
        assert.match(error.message, /name \("X"\)/);
        assert.match(error.message, /server\.host/);
        assert.match(error.message, /server\.port: must be 1 to 65535/);
        assert.match(error.message, /colour/);
        return true;
      },
    );
  });

  test('labels have Kubernetes’ syntax', () => {
    const labels = (text: string) => parseAgentConfig({ ...good, labels: parseLabels(text) }).labels;
    assert.deepEqual(labels('site=hall-3, example.com/line=,b=C.d_e'), {
      site: 'hall-3',
      'example.com/line': '',
      b: 'C.d_e',
    });
    for (const text of ['a=b=c', 'a', 'a b=c', 'a=-b', '/x=y', `a=${'v'.repeat(64)}`]) {
      assert.throws(() => labels(text), { code: 'BadConfig' }, text);
    }
  });

  for (const [text, host, port] of [
    ['server', 'server', 8883],
    ['server:1883', 'server', 1883],
    ['10.0.0.1:9', '10.0.0.1', 9],
    ['[2001:db8::1]:9', '2001:db8::1', 9],
    ['2001:db8::1', '2001:db8::1', 8883],
  ] as const) {
    test(`the server ${text} is ${host}, port ${port}`, () =>
      assert.deepEqual(parseServer(text), { host, port }));
  }

  test('what is no server is quoted', () => {
    assert.throws(() => parseServer('mqtt://server'), { code: 'BadConfig', message: /"mqtt:\/\/server"/ });
  });
});
