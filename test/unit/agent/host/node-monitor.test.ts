import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { openJournal } from '../../../../agent/desired/journal.ts';
import type { DiskSpace, HostFiles } from '../../../../agent/host/host-files.ts';
import { type Host, NodeMonitor } from '../../../../agent/host/node-monitor.ts';
import { thresholdsDefault } from '../../../../agent/host/thresholds.ts';
import { silentLogger } from '../../../../lib/log.ts';
import type { NodeReport } from '../../../../protocol/topics/sync.ts';
import { MemoryDisk } from '../../../sim/memory-disk.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';

const gibibyte = 2 ** 30;
const space: DiskSpace = {
  totalBytes: 32 * gibibyte,
  availableBytes: 20 * gibibyte,
  totalInodes: 1e6,
  freeInodes: 9e5,
};

/** A Raspberry Pi whose files a test may change. */
class Board {
  readonly clock = new ManualClock();
  readonly disk = new MemoryDisk();
  readonly reports: NodeReport[] = [];
  readonly files = new Map([
    ['/proc/meminfo', meminfo(900_000, 500_000)],
    ['/proc/loadavg', '0.25 0.10 0.05 1/321 4711\n'],
    ['/proc/sys/kernel/pid_max', '32768\n'],
    ['/proc/sys/kernel/osrelease', '6.12.0-rpi\n'],
    ['/proc/device-tree/model', 'Raspberry Pi 4 Model B Rev 1.4\0'],
    ['/proc/device-tree/serial-number', '10000000abcd\0'],
    ['/etc/machine-id', '0123456789abcdef\n'],
    ['/etc/os-release', 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'],
    ['/proc/net/route', 'Iface\tDestination\neth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n'],
  ]);
  space: DiskSpace | undefined = space;
  eth0 = '192.168.2.7';
  facing: string | undefined;
  hardwareAsked = 0;
  serverAsked = 0;
  runtimeProblem: string | undefined;
  monitor: NodeMonitor | undefined;

  async start(): Promise<NodeReport> {
    const files: HostFiles = {
      read: async (path) => this.files.get(path),
      space: async () => this.space,
    };
    const host: Host = {
      files,
      hostname: 'pi',
      cpuCount: 4,
      architecture: 'arm64',
      interfaces: () => ({
        lo: [address('127.0.0.1', true)],
        docker0: [address('172.17.0.1')],
        wlan0: [address('192.168.3.9')],
        eth0: [address('fe80::1'), address('2001:db8::7'), address('2001:db8::aaaa'), address(this.eth0)],
      }),
      addressFacing: async () => {
        this.serverAsked += 1;
        return this.facing;
      },
      describeHardware: async () => {
        this.hardwareAsked += 1;
        return { model: 'from systeminformation', systemUuid: 'uuid-1' };
      },
    };
    this.monitor = new NodeMonitor({
      name: 'pi.lab',
      labels: { site: 'hall-3' },
      dataDir: '/data',
      reserved: { cpuMillis: 0, memoryBytes: 0, ephemeralStorageBytes: 0 },
      thresholds: thresholdsDefault,
      version: 'v0.1.0',
      bootId: 'boot-1',
      server: { host: 'server', port: 8883 },
      runtimes: () => ['oci', 'process'],
      runtimeVersion: () => 'podman://5.4.2',
      problems: () => ({ runtime: this.runtimeProblem, dataDisk: undefined, limits: undefined }),
      pressureTransitionMs: 300_000,
      clock: this.clock,
      log: silentLogger,
      journal: await openJournal({ path: '/journal', log: silentLogger, disk: this.disk }),
      outbox: { reportNode: (report) => this.reports.push(report) },
      host,
      healthFiles: { read: async (path) => this.files.get(path), names: async () => [] },
      devices: { devices: [], onChange: () => ({ [Symbol.dispose]() {} }) },
    });
    await this.monitor.start();
    await settle();
    return this.last;
  }

  get last(): NodeReport {
    const last = this.reports.at(-1);
    if (!last) throw new Error('nothing was reported');
    return last;
  }

  condition(type: string) {
    return this.last.conditions.find((condition) => condition.type === type);
  }
}

function address(text: string, internal = false) {
  const family = text.includes(':') ? ('IPv6' as const) : ('IPv4' as const);
  const rest = { address: text, netmask: '', mac: '', internal, cidr: null };
  return family === 'IPv6' ? { ...rest, family, scopeid: 0 } : { ...rest, family };
}

function meminfo(totalKibibytes: number, availableKibibytes: number): string {
  return `MemTotal:  ${totalKibibytes} kB\nMemFree:  1000 kB\nMemAvailable:  ${availableKibibytes} kB\n`;
}

suite('what a node says of itself', () => {
  test('in full', async () => {
    const report = await new Board().start();
    assert.deepEqual(report, {
      capacity: { cpu: '4', memory: '900000Ki', 'ephemeral-storage': '33554432Ki', pods: '110' },
      allocatable: { cpu: '4', memory: '810000Ki', 'ephemeral-storage': '30198988Ki', pods: '110' },
      addresses: [
        { type: 'InternalIP', address: '192.168.2.7' },
        { type: 'InternalIP', address: '2001:db8::7' },
        { type: 'InternalIP', address: '192.168.3.9' },
        { type: 'Hostname', address: 'pi' },
      ],
      nodeInfo: {
        machineID: '0123456789abcdef',
        systemUUID: '10000000abcd',
        bootID: 'boot-1',
        kernelVersion: '6.12.0-rpi',
        osImage: 'Debian GNU/Linux 13 (trixie)',
        containerRuntimeVersion: 'podman://5.4.2',
        kubeletVersion: 'v0.1.0',
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: 'arm64',
      },
      labels: {
        'kubernetes.io/arch': 'arm64',
        'kubernetes.io/os': 'linux',
        'kubernetes.io/hostname': 'pi.lab',
        'node.kubernetes.io/instance-type': 'Raspberry-Pi-4-Model-B-Rev-1.4',
        'flotilla.dev/board': 'Raspberry-Pi-4-Model-B-Rev-1.4',
        site: 'hall-3',
      },
      conditions: [
        condition(
          'MemoryPressure',
          'False',
          'KubeletHasSufficientMemory',
          'kubelet has sufficient memory available',
        ),
        condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
        condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
        condition('RuntimeReady', 'True', 'RuntimesAnswer', 'every container runtime of this node answers'),
        condition('DataDiskFailing', 'False', 'DataDiskWritable', 'the agent can write to its data folder'),
        condition(
          'LimitsNotEnforced',
          'False',
          'LimitsEnforced',
          'limits of cpu, memory and processes are enforced',
        ),
      ],
      runtimes: ['oci', 'process'],
    });
    function condition(type: string, status: 'True' | 'False', reason: string, message: string) {
      return { type, status, reason, message };
    }
  });

  test('the address towards the server comes first', async () => {
    const board = new Board();
    board.facing = '192.168.3.9';
    assert.equal((await board.start()).addresses[0]?.address, '192.168.3.9');
  });

  test('a server on this very machine does not make the node unreachable', async () => {
    const board = new Board();
    board.facing = '127.0.0.1';
    assert.equal((await board.start()).addresses[0]?.address, '192.168.2.7');
  });

  test('the way to the server is looked for again when the ways out change, and else never', async () => {
    const board = new Board();
    board.facing = '192.168.3.9';
    await board.start();
    await board.clock.advance(10 * 60_000);
    assert.equal(
      board.serverAsked,
      1,
      'each look may ask a name server, over a link that is paid by the byte',
    );
    board.eth0 = '192.168.2.8';
    await board.clock.advance(60_000);
    assert.equal(board.serverAsked, 2);
    const unreachable = new Board();
    await unreachable.start();
    await unreachable.clock.advance(60_000);
    assert.equal(unreachable.serverAsked, 2, 'it may come into reach');
  });

  test('in a container its limits are the capacity', async () => {
    const board = new Board();
    board.files.set('/sys/fs/cgroup/cpu.max', '150000 100000\n');
    board.files.set('/sys/fs/cgroup/memory.max', `${512 * 2 ** 20}\n`);
    const { cpu, memory } = (await board.start()).capacity;
    assert.deepEqual([cpu, memory], ['1500m', '524288Ki']);
    board.files.set('/sys/fs/cgroup/cpu.max', 'max 100000\n');
    board.files.set('/sys/fs/cgroup/memory.max', 'max\n');
    assert.equal((await board.start()).capacity['cpu'], '4');
  });

  test('a runtime that does not answer is told with its reason', async () => {
    const board = new Board();
    board.runtimeProblem = 'container runtime is down: podman not found';
    await board.start();
    assert.deepEqual(board.condition('RuntimeReady'), {
      type: 'RuntimeReady',
      status: 'False',
      reason: 'KubeletNotReady',
      message: 'container runtime is down: podman not found',
    });
  });

  test('the slow description fills gaps only, and is made once a boot', async () => {
    const board = new Board();
    board.files.delete('/proc/device-tree/model');
    board.files.delete('/proc/device-tree/serial-number');
    await board.start();
    assert.equal(board.last.labels['flotilla.dev/board'], 'from-systeminformation');
    assert.equal(board.last.nodeInfo['systemUUID'], 'uuid-1');
    board.monitor?.stop();
    const again = await board.start();
    assert.equal(again.labels['flotilla.dev/board'], 'from-systeminformation');
    assert.equal(board.hardwareAsked, 1);
  });
});

suite('what changes on a node', () => {
  test('nothing is reported while nothing changes', async () => {
    const board = new Board();
    await board.start();
    const before = board.reports.length;
    for (let minute = 0; minute < 10; minute++) {
      board.files.set('/proc/meminfo', meminfo(900_000, 500_000 - minute * 1_000));
      board.files.set('/proc/loadavg', `${minute}.0 0 0 1/${300 + minute} 1\n`);
      await board.clock.advance(60_000);
    }
    assert.equal(board.reports.length, before);
    assert.equal(board.monitor?.load, 9);
  });

  test('a new address is', async () => {
    const board = new Board();
    await board.start();
    board.eth0 = '192.168.2.8';
    await board.clock.advance(60_000);
    assert.equal(board.last.addresses[0]?.address, '192.168.2.8');
    assert.equal(board.monitor?.ips[0], '192.168.2.8');
  });

  test('a pressure is reported at once and withdrawn only after five quiet minutes', async () => {
    const board = new Board();
    await board.start();
    board.files.set('/proc/meminfo', meminfo(900_000, 80_000));
    await board.clock.advance(60_000);
    assert.deepEqual(
      [board.condition('MemoryPressure')?.status, board.condition('MemoryPressure')?.reason],
      ['True', 'KubeletHasInsufficientMemory'],
    );
    board.files.set('/proc/meminfo', meminfo(900_000, 500_000));
    await board.clock.advance(4 * 60_000);
    assert.equal(board.condition('MemoryPressure')?.status, 'True');
    await board.clock.advance(60_000);
    assert.equal(board.condition('MemoryPressure')?.status, 'False');
  });

  for (const [words, change, type] of [
    [
      'little disk space',
      (board: Board) => (board.space = { ...space, availableBytes: gibibyte }),
      'DiskPressure',
    ],
    ['few inodes', (board: Board) => (board.space = { ...space, freeInodes: 1e4 }), 'DiskPressure'],
    ['few process ids', (board: Board) => board.files.set('/proc/loadavg', '0 0 0 1/32000 1'), 'PIDPressure'],
  ] as const) {
    test(`${words}: ${type}`, async () => {
      const board = new Board();
      change(board);
      await board.start();
      assert.equal(board.condition(type)?.status, 'True');
    });
  }

  test('a file system that counts no inodes has no pressure', async () => {
    const board = new Board();
    board.space = { ...space, totalInodes: 0, freeInodes: 0 };
    await board.start();
    assert.equal(board.condition('DiskPressure')?.status, 'False');
  });
});
