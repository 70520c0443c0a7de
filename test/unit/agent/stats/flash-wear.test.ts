import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readWear } from '../../../../agent/stats/flash-wear.ts';
import { metricsText } from '../../../../agent/stats/metrics-text.ts';

function machine(contents: Record<string, string>, disks: readonly string[]) {
  return {
    read: (path: string) => Promise.resolve(contents[path]),
    names: (path: string) => Promise.resolve(path === '/sys/block' ? disks : []),
  };
}

test('an eMMC tells its life in tenths, a card only what was written to it, and loops are no disks', async () => {
  const stat = (sectors: number) => `  10 0 80 5 20 0 ${sectors} 7 0 9 12\n`;
  const wear = await readWear(
    machine(
      {
        '/proc/self/io': 'rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n',
        '/sys/block/mmcblk0/stat': stat(100),
        '/sys/block/mmcblk0/device/life_time': '0x02 0x03\n',
        '/sys/block/mmcblk0/device/pre_eol_info': '0x02\n',
        '/sys/block/mmcblk1/stat': stat(7),
        '/sys/block/loop0/stat': stat(9),
      },
      ['loop0', 'mmcblk0', 'mmcblk1', 'zram0'],
    ),
  );
  assert.deepEqual(wear, {
    agentWrittenBytes: 4096,
    disks: [
      { device: 'mmcblk0', writtenBytes: 51_200, lifeUsed: 0.3, worn: true },
      { device: 'mmcblk1', writtenBytes: 3_584, lifeUsed: undefined, worn: false },
    ],
  });
});

test('metrics are told once by name, and no label breaks out of its quotes', () => {
  const text = metricsText([
    { name: 'a_total', labels: { x: 'q"\\\n' }, value: 1 },
    { name: 'b', labels: {}, value: 2 },
    { name: 'a_total', labels: { x: 'y' }, value: 3 },
  ]);
  assert.equal(
    text,
    '# TYPE a_total counter\na_total{x="q\\"\\\\\\n"} 1\na_total{x="y"} 3\n# TYPE b gauge\nb 2\n',
  );
});
