import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { CronError, parseCron } from '../../../protocol/cron-schedule.ts';

test('fields are numbers, names, ranges, lists and steps', () => {
  const { minutes, hours, daysOfMonth, months, daysOfWeek, bothDays } = parseCron(
    '*/20 8-10,22 1,15 JAN-mar Mon-Fri/2',
  );
  assert.deepEqual(
    [minutes, hours, daysOfMonth, months, daysOfWeek],
    [
      [0, 20, 40],
      [8, 9, 10, 22],
      [1, 15],
      [1, 2, 3],
      [1, 3, 5],
    ],
  );
  assert.equal(bothDays, false, 'either day is enough where both are given');
  assert.equal(parseCron('0 0 * * 1').bothDays, true);
  assert.deepEqual(
    parseCron('5/15 0 1 1 0').minutes,
    [5, 20, 35, 50],
    'a step from one value goes to the end',
  );
});

test('words stand for common schedules', () => {
  assert.deepEqual(parseCron('@hourly'), parseCron('0 * * * *'));
  assert.deepEqual(parseCron('@weekly'), parseCron('0 0 * * 0'));
  assert.equal(parseCron('@every 1h30m').everyMs, 5_400_000);
  assert.equal(parseCron('@every 10ms').everyMs, 1000);
});

test('what is refused is refused in the words of the Kubernetes parser', () => {
  const refusals: [string, string][] = [
    ['', 'empty spec string'],
    ['* * *', 'expected exactly 5 fields, found 3: [* * *]'],
    ['61 * * * *', 'end of range (61) above maximum (59): 61'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
    ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
    ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
    ['*/2/3 * * * *', 'too many slashes: */2/3'],
    ['*/0 * * * *', 'step of range should be a positive number: */0'],
    ['x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
    ['@never', 'unrecognized descriptor: @never'],
  ];
  for (const [text, message] of refusals) assert.throws(() => parseCron(text), { message }, text);
});

test('any text is a schedule or a refusal, and every value lies in its bounds', () => {
  const text = fc.oneof(
    fc.string(),
    fc
      .array(fc.stringMatching(/^[-*/,0-9?a-z]{1,6}$/), { minLength: 5, maxLength: 5 })
      .map((parts) => parts.join(' ')),
  );
  fc.assert(
    fc.property(text, (schedule) => {
      try {
        const { minutes, daysOfMonth, months } = parseCron(schedule);
        assert.ok(minutes.every((value) => value >= 0 && value <= 59));
        assert.ok(daysOfMonth.every((value) => value >= 1 && value <= 31));
        assert.ok(months.every((value) => value >= 1 && value <= 12));
      } catch (error) {
        assert.ok(error instanceof CronError, String(error));
      }
    }),
  );
});
