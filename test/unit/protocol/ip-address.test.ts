import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contains, parseCidr, parseIp } from '../../../protocol/ip-address.ts';

test('addresses of both families are numbers', () => {
  assert.deepEqual(parseIp('10.0.0.1'), { family: 4, value: 0x0a000001n });
  assert.deepEqual(parseIp('::1'), { family: 6, value: 1n });
  assert.deepEqual(parseIp('2001:db8::ff:1'), { family: 6, value: 0x20010db80000000000000000_00ff0001n });
  assert.deepEqual(parseIp('::ffff:10.0.0.1'), { family: 6, value: 0xffff0a000001n });
});

test('what is no address is none', () => {
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1::2::3',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    'g::',
  ])
    assert.equal(parseIp(text), undefined, text);
  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/-1', '::/129', '/8'])
    assert.equal(parseCidr(text), undefined, text);
});

test('a range holds the ranges within it, of its own family', () => {
  const range = (text: string) => parseCidr(text) ?? assert.fail(text);
  assert.ok(contains(range('10.0.0.0/8'), range('10.255.0.0/16')));
  assert.ok(contains(range('10.0.0.0/8'), range('10.0.0.0/8')));
  assert.ok(!contains(range('10.0.0.0/16'), range('10.0.0.0/8')));
  assert.ok(!contains(range('10.0.0.0/8'), range('11.0.0.0/16')));
  assert.ok(contains(range('0.0.0.0/0'), range('1.2.3.4/32')));
  assert.ok(!contains(range('::/0'), range('1.2.3.4/32')));
});
