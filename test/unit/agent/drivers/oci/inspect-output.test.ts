import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  parseContainerState,
  parseImage,
  parseSandboxState,
} from '../../../../../agent/drivers/oci/inspect-output.ts';

const hex = 'ab'.repeat(32);
const times = { StartedAt: '2026-01-02T03:04:05.678901234Z', FinishedAt: '2026-01-02T04:04:05.1Z' };
const startedAtMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const zero = '0001-01-01T00:00:00Z';

function state(fields: object): string {
  return JSON.stringify([{ Id: 'c0ffee', Image: hex, State: fields }]);
}

suite('container inspect', () => {
  test('a running container has its pid and start', () => {
    for (const Status of ['running', 'paused', 'stopping'])
      assert.deepEqual(parseContainerState(state({ Status, Pid: 7, ...times })), {
        state: 'running',
        pid: 7,
        startedAtMs,
        imageId: `sha256:${hex}`,
        engineId: 'c0ffee',
      });
  });

  test('an exited container has its code, its times and whether memory ran out', () => {
    for (const Status of ['exited', 'stopped', 'dead'])
      assert.deepEqual(parseContainerState(state({ Status, ExitCode: 137, OOMKilled: true, ...times })), {
        state: 'exited',
        exitCode: 137,
        signal: undefined,
        outOfMemory: true,
        startedAtMs,
        finishedAtMs: Date.UTC(2026, 0, 2, 4, 4, 5, 100),
        imageId: `sha256:${hex}`,
        engineId: 'c0ffee',
      });
  });

  test('a container that is new is created; one that looks new but has run ended unseen in a power cut', () => {
    assert.deepEqual(parseContainerState(state({ Status: 'created', StartedAt: zero, FinishedAt: zero })), {
      state: 'created',
    });
    const lost = parseContainerState(state({ Status: 'created', ExitCode: 0, ...times, FinishedAt: zero }));
    assert.ok(lost.state === 'exited' && lost.exitCode === undefined && lost.finishedAtMs === startedAtMs);
  });

  test('nothing is missing', () => {
    assert.deepEqual(parseContainerState('[]'), { state: 'missing' });
  });
});

suite('sandboxes', () => {
  const sandbox = (fields: object) => JSON.stringify([{ State: { Status: 'running' }, ...fields }]);
  const noHost = () => assert.fail('not on the host');

  test("addresses come from either place, each once, IPv4 first; on the host's network they are the host's", () => {
    const settings = {
      IPAddress: '10.88.0.2',
      Networks: { podman: { IPAddress: '10.88.0.2', GlobalIPv6Address: 'fd00::2' } },
    };
    assert.deepEqual(parseSandboxState(sandbox({ NetworkSettings: settings }), noHost), {
      state: 'ready',
      podIps: ['10.88.0.2', 'fd00::2'],
    });
    const onHost = sandbox({ HostConfig: { NetworkMode: 'host' } });
    assert.deepEqual(
      parseSandboxState(onHost, () => ['192.0.2.7']),
      {
        state: 'ready',
        podIps: ['192.0.2.7'],
      },
    );
  });

  test('a pause container that does not run is a stopped sandbox', () => {
    const stopped = JSON.stringify([{ State: { Status: 'exited' } }]);
    assert.deepEqual(parseSandboxState(stopped, noHost), { state: 'stopped' });
  });
});

test("an image's id is the same in every engine's words", () => {
  const idOf = (text: string) => parseImage(text, 'docker.io/library/app:1')?.imageId;
  assert.equal(idOf(JSON.stringify([{ Id: hex }])), `sha256:${hex}`);
  assert.equal(idOf(JSON.stringify([{ Id: `sha256:${hex}` }])), `sha256:${hex}`);
  assert.equal(idOf('[]'), undefined);
  assert.equal(idOf(''), undefined);
});

test('an image is referred to by its digest in the registry that it was asked of, else by its id', () => {
  const [one, other] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`];
  const RepoDigests = [`r.example/app@${one}`, `app@${one}`, `r.example/app@${other}`];
  const referenceOf = (reference: string) =>
    parseImage(JSON.stringify([{ Id: hex, RepoDigests, Size: 5 }]), reference)?.reference;
  assert.equal(referenceOf('docker.io/library/app:1'), `docker.io/library/app@${one}`);
  assert.equal(referenceOf('r.example/app:1'), `r.example/app@${one}`);
  assert.equal(referenceOf(`r.example/app@${other}`), `r.example/app@${other}`);
  assert.equal(referenceOf('elsewhere.example/app'), `sha256:${hex}`);
});
