import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { seededRandom } from '../../../../lib/random.ts';
import { newJoinToken, parseJoinToken } from '../../../../protocol/join-token.ts';
import { AttemptLimit } from '../../../../server/identity/attempt-limit.ts';
import { matchesPattern } from '../../../../server/identity/stored-token.ts';
import { isNodeName, nodeOfSubject, parseSubject } from '../../../../server/identity/subject.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { makeIdentity } from '../../../support/test-identity.ts';

describe('join tokens', () => {
  it('are stored as Kubernetes stores bootstrap tokens', async () => {
    await using made = await makeIdentity();
    const { token, secret } = newJoinToken({
      caCertificate: made.identity.caCertificate,
      random: seededRandom(1),
      now: Date.UTC(2026, 0, 1),
      ttlMs: 3_600_000,
      singleUse: true,
      nodes: 'edge-*',
      description: 'for the shed',
    });
    const parsed = parseJoinToken(token);
    assert(parsed);
    assert.equal(parsed.pin, made.identity.caPin);
    assert.equal(secret.type, 'bootstrap.kubernetes.io/token');
    assert.deepEqual(secret.metadata, { name: `bootstrap-token-${parsed.id}`, namespace: 'kube-system' });
    const data = Object.fromEntries(
      Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
    );
    assert.deepEqual(data, {
      'token-id': parsed.id,
      'token-secret': parsed.secret,
      'usage-bootstrap-authentication': 'true',
      'usage-bootstrap-signing': 'true',
      'auth-extra-groups': 'system:bootstrappers:flotilla',
      description: 'for the shed',
      expiration: '2026-01-01T01:00:00Z',
      'single-use': 'true',
      'allowed-nodes': 'edge-*',
    });
  });

  it('are nothing else', () => {
    const pin = 'x'.repeat(43);
    for (const text of [
      '',
      'abcdef',
      'abcdef.0123456789abcdef',
      `ABCDEF.0123456789abcdef.${pin}`,
      `abcdef.short.${pin}`,
    ]) {
      assert.equal(parseJoinToken(text), undefined, text);
    }
  });
});

describe('patterns of node names', () => {
  it('match as a person expects', () => {
    const cases: [string, string, boolean][] = [
      ['*', 'anything', true],
      ['edge-*', 'edge-1', true],
      ['edge-*', 'core-1', false],
      ['*-kitchen', 'pi-kitchen', true],
      ['a*b*c', 'a-b-c', true],
      ['a*b*c', 'ac', false],
      ['aa*aa', 'aaa', false],
      ['pi', 'pi', true],
      ['pi', 'pi2', false],
      ['', 'pi', false],
    ];
    for (const [pattern, name, expected] of cases)
      assert.equal(matchesPattern(pattern, name), expected, `${pattern} ${name}`);
  });

  it('agree with a regular expression, and take no longer for odd ones', () => {
    const text = fc.stringMatching(/^[ab*]{0,8}$/);
    fc.assert(
      fc.property(text, fc.stringMatching(/^[ab]{0,8}$/), (pattern, name) => {
        const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
        assert.equal(matchesPattern(pattern, name), expression.test(name), `${pattern} ${name}`);
      }),
      { numRuns: 300 },
    );
    assert.equal(matchesPattern('*a'.repeat(5000), `${'a'.repeat(20_000)}b`), false);
  });
});

describe('names in certificates', () => {
  it('make a node only of a node’s certificate', () => {
    assert.equal(nodeOfSubject('O=system:nodes\nCN=system:node:pi.kitchen'), 'pi.kitchen');
    for (const subject of [
      'CN=system:node:pi',
      'O=system:masters\nCN=system:node:pi',
      'O=system:nodes\nCN=pi',
      'O=system:nodes\nCN=system:node:',
      'O=system:nodes\nCN=system:node:Pi',
      'O=system:nodes\nCN=system:node:pi/stream',
      'O=system:nodes\nCN=system:node:a\nCN=system:node:b',
      'O=system:nodes\\nCN=system:node:pi',
    ]) {
      assert.equal(nodeOfSubject(subject), undefined, subject);
    }
    assert.deepEqual(parseSubject('O=a\nO=b\nCN=c\\,d'), { commonName: 'c,d', organizations: ['a', 'b'] });
    assert(isNodeName('a'.repeat(253)));
    assert(!isNodeName('a'.repeat(254)));
  });
});

describe('failed attempts', () => {
  it('block an address for a while, and only that one', async () => {
    const clock = new ManualClock();
    const attempts = new AttemptLimit({ clock, failuresMax: 3, windowMs: 1000, addressesMax: 100 });
    for (let index = 0; index < 3; index++) attempts.fail('a');
    assert.deepEqual([attempts.isBlocked('a'), attempts.isBlocked('b')], [true, false]);
    await clock.advance(1000);
    assert.equal(attempts.isBlocked('a'), false);
  });
});
