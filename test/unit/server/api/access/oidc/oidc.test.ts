import assert from 'node:assert/strict';
import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { silentLogger } from '../../../../../../lib/log.ts';
import {
  issuerOfSettings,
  type OidcIssuer,
  parseAuthenticationConfig,
} from '../../../../../../server/api/access/oidc/authentication-config.ts';
import { oidcAuthenticator } from '../../../../../../server/api/access/oidc/oidc-authenticator.ts';
import { isSignedBy, readSignedToken } from '../../../../../../server/api/access/oidc/signature.ts';
import { ManualClock } from '../../../../../support/manual-clock.ts';

const url = 'https://login.example';
const api = ['the-api'];
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

function es256(claims: object, { key = ec.privateKey, kid = 'one', header = {} } = {}): string {
  const signed = `${part({ alg: 'ES256', kid, ...header })}.${part(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const jwk = (key: KeyObject, kid: string) => ({ ...key.export({ format: 'jwk' }), kid, use: 'sig' });

/** An issuer that answers from memory, or not at all. */
class FakeIssuer {
  keys: object[] = [jwk(ec.publicKey, 'one')];
  isDown = false;
  asked = 0;
  readonly fetch = async (address: string): Promise<unknown> => {
    this.asked += 1;
    if (this.isDown) throw new Error('down');
    return address.endsWith('/keys') ? { keys: this.keys } : { issuer: url, jwks_uri: `${url}/keys` };
  };
}

const plain: OidcIssuer = {
  url,
  audiences: ['kubernetes'],
  algorithms: ['ES256'],
  username: { claim: 'sub', prefix: 'oidc:' },
  groups: { claim: 'groups', prefix: 'oidc:' },
  extra: [],
  claimRules: [],
  userRules: [],
};

function open(issuer: Partial<OidcIssuer> = {}) {
  const clock = new ManualClock();
  const server = new FakeIssuer();
  const authenticate = oidcAuthenticator({
    issuer: { ...plain, ...issuer },
    apiAudiences: api,
    clock,
    log: silentLogger,
    fetch: server.fetch,
  });
  const claims = (more: object = {}) => ({
    iss: url,
    aud: 'kubernetes',
    sub: 'anna',
    exp: Math.floor(clock.now() / 1000) + 3600,
    ...more,
  });
  const user = async (token: string) => (await authenticate(token, api))?.user;
  const refuses = (token: string) => assert.rejects(async () => authenticate(token, api), /Unauthorized/);
  return { clock, server, authenticate, claims, user, refuses };
}

describe('a token of an OpenID Connect issuer', () => {
  it('makes the user and the groups that it claims, behind the prefixes', async () => {
    const { user, claims } = open();
    assert.deepEqual(await user(es256(claims({ groups: ['devs', 'ops'], jti: 'x' }))), {
      name: 'oidc:anna',
      groups: ['oidc:devs', 'oidc:ops'],
      extra: { 'authentication.kubernetes.io/credential-id': ['JTI=x'] },
    });
    assert.deepEqual((await user(es256(claims({ groups: 'devs' }))))?.groups, ['oidc:devs']);
  });

  it('counts only when the issuer signed it, for this client, for now', async () => {
    const { refuses, claims, clock } = open();
    const seconds = Math.floor(clock.now() / 1000);
    await refuses(es256(claims(), { key: other.privateKey }));
    await refuses(es256(claims({ aud: ['others'] })));
    await refuses(es256(claims({ exp: seconds })));
    await refuses(es256(claims({ exp: undefined })));
    await refuses(es256(claims({ nbf: seconds + 3600 })));
    await refuses(es256(claims({ sub: '' })));
    await refuses(es256(claims({ groups: [1] })));
    await refuses(`${part({ alg: 'none' })}.${part(claims())}.eA`);
    await refuses(es256(claims(), { header: { alg: 'ES384' } }));
  });

  it('of another issuer, or none, is left to the next', async () => {
    const { user, claims, authenticate } = open();
    assert.equal(await user(es256(claims({ iss: 'https://other.example' }))), undefined);
    assert.equal(await user('opaque'), undefined);
    assert.equal(await authenticate(es256(claims()), ['another-api']), undefined);
  });

  it('counts while the issuer is down, if its key is known', async () => {
    const { user, refuses, claims, clock, server } = open();
    assert.ok(await user(es256(claims())));
    server.isDown = true;
    await clock.advance(3_600_000);
    assert.ok(await user(es256(claims())));
    await refuses(es256(claims(), { key: other.privateKey, kid: 'two' }));
  });

  it('counts by a new key at once, and no more by one that was taken back', async () => {
    const { user, refuses, claims, clock, server } = open();
    await user(es256(claims()));
    server.keys = [jwk(other.publicKey, 'two')];
    await clock.advance(20_000);
    assert.ok(await user(es256(claims(), { key: other.privateKey, kid: 'two' })));
    await refuses(es256(claims()));
  });

  it('with an unknown key makes nobody ask the issuer all the time', async () => {
    const { user, refuses, claims, clock, server } = open();
    await user(es256(claims()));
    const { asked } = server;
    for (let index = 0; index < 50; index++) await refuses(es256(claims(), { kid: `made-up-${index}` }));
    assert.equal(server.asked, asked);
    await clock.advance(10_000);
    server.isDown = true;
    for (let index = 0; index < 50; index++) await refuses(es256(claims(), { kid: `made-up-${index}` }));
    assert.equal(server.asked, asked + 1);
  });

  it('of an issuer that was down when the server started counts when it is back', async () => {
    const { clock, server, claims, authenticate } = (() => {
      const opened = open();
      opened.server.isDown = true;
      return opened;
    })();
    await assert.rejects(async () => authenticate(es256(claims(), { kid: 'three' }), api));
    server.isDown = false;
    await clock.advance(61_000);
    assert.ok(await authenticate(es256(claims()), api));
  });

  it('must say what is required of it', async () => {
    const { user, refuses, claims } = open({ claimRules: [{ claim: 'hd', requiredValue: 'example.com' }] });
    await refuses(es256(claims()));
    assert.ok(await user(es256(claims({ hd: 'example.com' }))));
    const mail = open({ username: { claim: 'email', prefix: '' } });
    await mail.refuses(es256(mail.claims({ email: 'a@b.c', email_verified: false })));
    assert.equal(
      (await mail.user(es256(mail.claims({ email: 'a@b.c', email_verified: true }))))?.name,
      'a@b.c',
    );
  });
});

describe('signatures', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ed = generateKeyPairSync('ed25519');
  const token = (alg: string, make: (signed: Buffer) => Buffer) => {
    const signed = `${part({ alg })}.${part({})}`;
    return readSignedToken(`${signed}.${make(Buffer.from(signed)).toString('base64url')}`);
  };

  it('are checked by the algorithm of the key, whatever the token says', () => {
    const pkcs = token('RS256', (signed) => sign('sha256', signed, rsa.privateKey));
    const pss = token('PS512', (signed) =>
      sign('sha512', signed, {
        key: rsa.privateKey,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      }),
    );
    const edwards = token('EdDSA', (signed) => sign(null, signed, ed.privateKey));
    assert.ok(pkcs && pss && edwards);
    assert.ok(isSignedBy(pkcs, rsa.publicKey) && isSignedBy(pss, rsa.publicKey));
    assert.ok(isSignedBy(edwards, ed.publicKey));
    assert.ok(!isSignedBy(pkcs, ec.publicKey) && !isSignedBy(edwards, rsa.publicKey));
    assert.ok(!isSignedBy({ ...pkcs, algorithm: 'PS256' }, rsa.publicKey));
    assert.ok(!isSignedBy({ ...pkcs, algorithm: 'HS256' }, rsa.publicKey));
  });
});

describe('the configuration of log-ins', () => {
  const file = `
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: 'https://login.example', audiences: [kubernetes], audienceMatchPolicy: MatchAny}
  claimValidationRules:
  - {expression: 'claims.hd == "example.com"', message: wrong domain}
  claimMappings:
    username: {expression: 'claims.email.split("@")[0]'}
    groups: {expression: 'claims.roles.filter(r, r != "admin")'}
    uid: {claim: sub, prefix: ''}
    extra: [{key: example.com/tenant, valueExpression: claims.tenant}]
  userValidationRules:
  - {expression: '!user.username.startsWith("system:")', message: reserved}
anonymous:
  enabled: true
  conditions: [{path: /livez}, {path: /readyz}]
`;

  it('is read as Kubernetes reads it, expressions too', async () => {
    const { issuers, anonymous } = parseAuthenticationConfig(file);
    assert.deepEqual(anonymous, { enabled: true, paths: ['/livez', '/readyz'] });
    const [issuer] = issuers;
    assert.ok(issuer);
    const { user, refuses, claims } = open(issuer);
    const said = { hd: 'example.com', email: 'anna@example.com', roles: ['dev', 'admin'], tenant: 'shop' };
    assert.deepEqual(await user(es256(claims(said))), {
      name: 'anna',
      uid: 'anna',
      groups: ['dev'],
      extra: { 'example.com/tenant': ['shop'] },
    });
    await refuses(es256(claims({ ...said, hd: 'evil.example' })));
    await refuses(es256(claims({ ...said, email: 'system:admin@example.com' })));
    await refuses(es256(claims({ hd: 'example.com' })));
  });

  it('is refused with the name of what is wrong', () => {
    const refuses = (text: string, words: RegExp) =>
      assert.throws(() => parseAuthenticationConfig(text), words);
    refuses(file.replace('https://', 'http://'), /jwt\.0\.issuer\.url: must be a URL/);
    refuses(file.replace('claimMappings', 'claimMapping'), /claimMapping/);
    refuses(file.replace('AuthenticationConfiguration', 'Policy'), /kind/);
  });

  it('may be settings like kube-apiserver’s flags', () => {
    const settings = {
      oidcIssuerUrl: url,
      oidcClientId: 'kubernetes',
      oidcUsernameClaim: 'sub',
      oidcGroupsPrefix: '',
      oidcRequiredClaim: ['hd=example.com'],
      oidcSigningAlgs: ['RS256'],
    };
    const issuer = issuerOfSettings(settings, undefined);
    assert.deepEqual(issuer?.username, { claim: 'sub', prefix: `${url}#` });
    assert.deepEqual(issuer?.claimRules, [{ claim: 'hd', requiredValue: 'example.com' }]);
    assert.deepEqual(issuerOfSettings({ ...settings, oidcUsernamePrefix: '-' }, undefined)?.username, {
      claim: 'sub',
      prefix: '',
    });
    assert.deepEqual(issuerOfSettings({ ...settings, oidcUsernameClaim: 'email' }, undefined)?.username, {
      claim: 'email',
      prefix: '',
    });
    assert.throws(() => issuerOfSettings({ ...settings, oidcClientId: undefined }, undefined), /go together/);
    assert.throws(() => issuerOfSettings({ ...settings, oidcSigningAlgs: ['HS256'] }, undefined), /HS256/);
  });
});
