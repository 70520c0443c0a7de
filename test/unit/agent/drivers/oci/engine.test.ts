import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  callEngine,
  describeEngine,
  errorMessage,
  parseEngineInfo,
} from '../../../../../agent/drivers/oci/engine.ts';

const podmanInfo = JSON.stringify({
  host: {
    cgroupControllers: ['cpu', 'pids'],
    cgroupManager: 'systemd',
    ociRuntime: { name: 'crun' },
    security: { rootless: true },
  },
  version: { Version: '5.4.2' },
  store: { graphRoot: '/var/lib/containers/storage' },
});

suite('an engine about itself', () => {
  test('podman tells its version, runtime and which limits it can hold', () => {
    const { engine } = parseEngineInfo('podman', podmanInfo);
    assert.deepEqual(engine, {
      command: 'podman',
      version: '5.4.2',
      runtime: 'crun',
      rootless: true,
      imageRoot: '/var/lib/containers/storage',
      cgroupManager: 'systemd',
      limitsCpu: true,
      limitsMemory: false,
      limitsPids: true,
    });
    assert.equal(
      engine && describeEngine(engine),
      'podman 5.4.2 with crun, rootless (memory limits are not enforced)',
    );
  });

  test("docker's client without its daemon is no engine", () => {
    const daemonless = JSON.stringify({ ServerVersion: '', ServerErrors: ['Cannot connect'] });
    assert.deepEqual(parseEngineInfo('docker', daemonless), {
      engine: undefined,
      command: 'docker',
      reason: 'Cannot connect',
    });
    const working = JSON.stringify({
      ServerVersion: '28.0',
      DefaultRuntime: 'runc',
      MemoryLimit: true,
      CpuCfsQuota: true,
      SecurityOptions: ['name=seccomp'],
    });
    const { engine } = parseEngineInfo('docker', working);
    assert.equal(engine && describeEngine(engine), 'docker 28.0 with runc');
  });

  test('what is no JSON is no engine', () => {
    assert.equal(parseEngineInfo('podman', 'oops').engine, undefined);
  });
});

suite('calls', () => {
  test('an engine that hangs is unavailable, and the call is named', () =>
    assert.rejects(callEngine('sleep', ['60'], { timeoutMs: 50 }), {
      code: 'RuntimeUnavailable',
      message: /sleep 60: no answer within 50 ms/,
    }));

  test('an engine that is not installed is unavailable', () =>
    assert.rejects(callEngine('no-such-engine', ['ps'], { timeoutMs: 5_000 }), {
      code: 'RuntimeUnavailable',
    }));

  test('a failing exit code is an answer', async () => {
    const { exitCode, message } = await callEngine('sh', ['-c', 'echo "Error: no" >&2; exit 125'], {
      timeoutMs: 5_000,
    });
    assert.deepEqual({ exitCode, message }, { exitCode: 125, message: 'no' });
  });

  test('the message says that the disk is full, whatever the engine tried after that', () => {
    const tried =
      'time="…" level=error msg="write /x: no space left on device"\nError: not an archive:\n * dir: no\n';
    assert.equal(errorMessage(tried), 'no space left on device: not an archive:');
  });

  test('the message is the error, without chatter', () => {
    assert.equal(
      errorMessage('Trying to pull x...\ntime="…" level=warning msg="retry"\nError: no route\n'),
      'no route',
    );
    assert.equal(
      errorMessage("docker: Error response from daemon: gone.\nSee 'docker run --help'.\n"),
      'docker: Error response from daemon: gone.',
    );
    assert.equal(errorMessage('Error response from daemon: gone\n'), 'gone');
    assert.equal(errorMessage('something else\n'), 'something else');
  });
});
