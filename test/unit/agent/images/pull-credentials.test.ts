import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { credentialsFor } from '../../../../agent/images/pull-credentials.ts';
import type { Secret } from '../../../../protocol/generated/models.ts';

const base64 = (value: object | string) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64');

function secret(auths: Record<string, string>): Secret {
  const entries = Object.fromEntries(
    Object.entries(auths).map(([key, user]) => [key, { username: user, password: 'p' }]),
  );
  return {
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': base64({ auths: entries }) },
  };
}

function usersFor(image: string, ...secrets: Secret[]): string[] {
  return credentialsFor(image, secrets).map(
    ({ auth }) =>
      Buffer.from(auth ?? '', 'base64')
        .toString()
        .split(':')[0] ?? '',
  );
}

suite('pull secrets', () => {
  for (const [key, image, fits] of [
    ['r.example', 'r.example/app:1', true],
    ['r.example', 'r.example:5000/app:1', false],
    ['r.example:5000', 'r.example:5000/app:1', true],
    ['https://r.example/v2/', 'r.example/team/app', true],
    ['*.example', 'r.example/app', true],
    ['*.example', 'a.r.example/app', false],
    ['r*.*.example', 'r1.eu.example/app', true],
    ['r.example/team', 'r.example/team/app@sha256:00', true],
    ['r.example/team', 'r.example/team-secret/app', false],
    ['r.example/team/app', 'r.example/team/app:1', true],
    ['https://index.docker.io/v1/', 'nginx', true],
    ['docker.io', 'team/app', true],
    ['docker.io/other', 'team/app', false],
    ['evil.example', 'r.example/evil.example/app', false],
  ] as const) {
    test(`one for ${key} is ${fits ? '' : 'not '}for ${image}`, () => {
      assert.equal(usersFor(image, secret({ [key]: 'u' })).length, fits ? 1 : 0);
    });
  }

  test('of several the one with the longest path comes first, then in the order of the pod', () => {
    const one = secret({ 'r.example': 'host', 'r.example/team': 'team' });
    const other = secret({ '*.example': 'wild', 'r.example/team/app': 'app' });
    assert.deepEqual(usersFor('r.example/team/app:2', one, other), ['app', 'team', 'host', 'wild']);
  });

  test('the older form and ready-made tokens are read too', () => {
    const legacy: Secret = {
      type: 'kubernetes.io/dockercfg',
      data: { '.dockercfg': base64({ 'r.example': { auth: base64('u:p'), identitytoken: 't' } }) },
    };
    assert.deepEqual(credentialsFor('r.example/app', [legacy]), [
      { registry: 'r.example', auth: base64('u:p'), identitytoken: 't' },
    ]);
  });

  test('what cannot be read, or is a secret of another type, counts for nothing', () => {
    const broken = ['', 'null', '[]', '{"auths":3}', '{"auths":{"r.example":{}}}'].map(
      (text): Secret => ({
        type: 'kubernetes.io/dockerconfigjson',
        data: { '.dockerconfigjson': base64(text) },
      }),
    );
    const opaque = { ...secret({ 'r.example': 'u' }), type: 'Opaque' };
    assert.deepEqual(credentialsFor('r.example/app', [...broken, opaque, { type: 'Opaque' }]), []);
  });
});
