import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ContainerSpec } from '../../../../../agent/drivers/driver.ts';
import { imageProcess } from '../../../../../agent/drivers/process/image-process.ts';
import { imageUser } from '../../../../../agent/drivers/process/image-user.ts';
import { ociConfig } from '../../../../../agent/drivers/process/oci-bundle.ts';

const config = {
  entrypoint: ['/entry'],
  cmd: ['serve'],
  environment: ['PATH=/image/bin', 'MODE=image'],
  workingDir: '/srv',
  user: 'web',
  stopSignal: '',
};
const files = {
  passwd: 'root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n',
  group: 'root:x:0:\nweb:x:34:\nvideo:x:44:web,other\n',
};

function spec(more: Partial<ContainerSpec> = {}): ContainerSpec {
  const limits = { cpuLimitMillis: undefined, cpuRequestMillis: undefined, memoryLimitBytes: undefined };
  return {
    podUid: 'uid',
    namespace: 'default',
    pod: 'pod',
    container: 'main',
    attempt: 0,
    image: 'x:1',
    command: [],
    args: [],
    workingDir: undefined,
    environment: {},
    mounts: [],
    security: {},
    resources: limits,
    tty: false,
    stdin: false,
    ...more,
  };
}

function planned(more: Partial<ContainerSpec> = {}, named = config.user) {
  const own = spec(more);
  const user = imageUser(named, own.security, files);
  return imageProcess(own, { ...config, user: named }, { user, hostname: 'board', lastCapability: 40 });
}

describe('a container with an image runs what image and pod say together', () => {
  test('a command of the pod replaces both words of the image, arguments only the second', () => {
    assert.deepEqual(planned().args, ['/entry', 'serve']);
    assert.deepEqual(planned({ args: ['other'] }).args, ['/entry', 'other']);
    assert.deepEqual(planned({ command: ['sh'] }).args, ['sh']);
    assert.deepEqual(planned({ command: ['sh'], args: ['-c', 'x'] }).args, ['sh', '-c', 'x']);
    const bare = { ...config, entrypoint: [], cmd: [] };
    const user = imageUser('', {}, files);
    assert.throws(() => imageProcess(spec(), bare, { user, hostname: 'board', lastCapability: 40 }), {
      code: 'RunContainerError',
    });
  });

  test('variables of the pod go before those of the image, and both before what everybody has', () => {
    const { environment, cwd } = planned({ environment: { MODE: 'pod', 'a.b': 'x=y' } });
    assert.deepEqual(environment, ['PATH=/image/bin', 'HOSTNAME=board', 'HOME=/srv', 'MODE=pod', 'a.b=x=y']);
    assert.equal(cwd, '/srv');
    assert.equal(planned({ workingDir: '/else' }).cwd, '/else');
  });

  test('users are found by the lists of the image', () => {
    assert.deepEqual(imageUser('web', {}, files), { uid: 33, gid: 34, groups: [44], home: '/srv' });
    assert.deepEqual(imageUser('33', {}, files), { uid: 33, gid: 34, groups: [44], home: '/srv' });
    assert.deepEqual(imageUser('web:video', {}, files), { uid: 33, gid: 44, groups: [], home: '/srv' });
    assert.deepEqual(imageUser('7:8', {}, files), { uid: 7, gid: 8, groups: [], home: '/' });
    assert.deepEqual(imageUser('', {}, files), { uid: 0, gid: 0, groups: [], home: '/root' });
    assert.deepEqual(imageUser('', {}, { passwd: '', group: '' }), { uid: 0, gid: 0, groups: [], home: '/' });
    const asked = { user: 4711, group: 4712, groups: [4713] };
    assert.deepEqual(imageUser('web', asked, files), { uid: 4711, gid: 4712, groups: [4713], home: '/' });
    for (const named of ['nobody', 'web:nobody'])
      assert.throws(() => imageUser(named, {}, files), { code: 'CreateContainerError', message: /nobody/ });
  });

  test('rights are the few that engines give, less or more as the pod asks', () => {
    const root = planned({}, 'root').capabilities;
    assert.ok(root.effective.includes('CAP_CHOWN') && !root.effective.includes('CAP_MKNOD'));
    assert.deepEqual(planned().capabilities.effective, [], 'nothing for others than root');
    const dropped = { dropCapabilities: ['ALL'], addCapabilities: ['NET_BIND_SERVICE'] };
    assert.deepEqual(planned({ security: dropped }).capabilities, {
      bounding: ['CAP_NET_BIND_SERVICE'],
      effective: ['CAP_NET_BIND_SERVICE'],
      ambient: ['CAP_NET_BIND_SERVICE'],
    });
    const most = { user: 0, addCapabilities: ['ALL'], dropCapabilities: ['SYS_ADMIN'] };
    const { bounding } = planned({ security: most }).capabilities;
    assert.equal(bounding.length, 40);
    assert.ok(!bounding.includes('CAP_SYS_ADMIN'));
    assert.equal(planned({ security: { privileged: true, user: 0 } }).capabilities.bounding.length, 41);
  });

  test('what it may open and see of the host is little, and all of it when it is privileged', () => {
    interface Config {
      mounts: { destination: string; source: string }[];
      linux: { maskedPaths?: string[]; resources?: { devices: { allow: boolean; major?: number }[] } };
    }
    const bundle = (more: Partial<ContainerSpec>) =>
      ociConfig({
        spec: spec(more),
        process: planned(more),
        mounts: [],
        hostname: undefined,
        pidNamespace: undefined,
        cgroupsPath: '/flotilla/x',
      }) as Config;
    const closed = bundle({ devices: [{ source: '/dev/full', target: '/dev/full' }] });
    assert.ok(closed.linux.maskedPaths?.includes('/proc/kcore'));
    assert.deepEqual(closed.linux.resources?.devices, [
      { allow: false, access: 'rwm' },
      { allow: true, type: 'c', major: 1, minor: 7, access: 'rwm' },
    ]);
    const open = bundle({ security: { privileged: true } });
    assert.equal(open.linux.maskedPaths, undefined);
    assert.equal(open.mounts.find(({ destination }) => destination === '/dev')?.source, '/dev');
    assert.throws(() => bundle({ devices: [{ source: '/etc/passwd', target: '/dev/x' }] }), {
      code: 'CreateContainerConfigError',
    });
  });
});
