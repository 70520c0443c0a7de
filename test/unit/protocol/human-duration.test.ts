import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ageSince, humanDuration } from '../../../protocol/human-duration.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

test('ages look as in kubectl', () => {
  const cases: [number, string][] = [
    [-5 * second, '<invalid>'],
    [-second, '0s'],
    [0, '0s'],
    [119 * second, '119s'],
    [2 * minute, '2m'],
    [5 * minute + 3 * second, '5m3s'],
    [10 * minute + 3 * second, '10m'],
    [179 * minute, '179m'],
    [3 * hour, '3h'],
    [3 * hour + 20 * minute, '3h20m'],
    [8 * hour + 20 * minute, '8h'],
    [47 * hour, '47h'],
    [3 * day + 4 * hour, '3d4h'],
    [7 * day, '7d'],
    [8 * day + hour, '8d'],
    [729 * day, '729d'],
    [2 * 365 * day, '2y'],
    [3 * 365 * day + 5 * day, '3y5d'],
    [9 * 365 * day, '9y'],
  ];
  for (const [durationMs, text] of cases) assert.equal(humanDuration(durationMs), text, String(durationMs));
});

test('an age without a beginning is unknown', () => {
  assert.equal(ageSince(undefined, 0), '<unknown>');
  assert.equal(ageSince('1970-01-01T00:00:10Z', 70 * second), '60s');
});
