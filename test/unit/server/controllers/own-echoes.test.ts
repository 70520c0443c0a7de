import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OwnEchoes } from '../../../../server/controllers/own-echoes.ts';

const owner = (
  resourceVersion: string,
  more: { annotations?: Record<string, string>; generation?: number } = {},
) => ({
  metadata: { namespace: 'default', name: 'web', uid: 'u', generation: 1, resourceVersion, ...more },
});

test('a status that the controller wrote itself is no news, whatever else is', () => {
  const echoes = new OwnEchoes();
  echoes.wrote(owner('1'), owner('2'));
  assert.equal(echoes.isEcho(owner('2')), true);
  assert.equal(echoes.isEcho(owner('3')), false, 'a later change by somebody else');
  echoes.wrote(owner('3'), undefined);
  assert.equal(echoes.isEcho(owner('3')), false, 'nothing was written');
});

test('a status that was written over a change nobody planned for is news', () => {
  const echoes = new OwnEchoes();
  echoes.wrote(owner('1'), owner('3', { annotations: { changed: 'between' } }));
  assert.equal(echoes.isEcho(owner('3', { annotations: { changed: 'between' } })), false);
  echoes.wrote(owner('1'), owner('5', { generation: 2 }));
  assert.equal(echoes.isEcho(owner('5', { generation: 2 })), false);
});
