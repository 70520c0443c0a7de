import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { createCertificateRequest } from '../../../../agent/link/certificate-request.ts';
import {
  CertificateRequestError,
  readDeviceRequest,
} from '../../../../server/identity/certificate-request.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const request = createCertificateRequest(privateKey, 'pi');

function edited(edit: (der: Buffer) => void): string {
  const der = Buffer.from(request.replaceAll(/-----.*?-----|\s/g, ''), 'base64');
  edit(der);
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}

describe('a certificate request', () => {
  it('yields the key that signed it', () => {
    const spki = (key: typeof publicKey) => key.export({ type: 'spki', format: 'der' });
    assert(spki(readDeviceRequest(request)).equals(spki(publicKey)));
  });

  it('is refused when any of its bytes was changed', () => {
    const { length } = Buffer.from(request.replaceAll(/-----.*?-----|\s/g, ''), 'base64');
    fc.assert(
      fc.property(fc.nat(length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = edited((der) => void (der[at] = (der[at] ?? 0) ^ change));
        assert.throws(() => readDeviceRequest(changed), CertificateRequestError);
      }),
      { numRuns: 150 },
    );
  });

  it('is refused for another kind of key', () => {
    const other = createCertificateRequest(
      generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
      'pi',
    );
    assert.throws(() => readDeviceRequest(other), /P-256/);
    const rsa = createCertificateRequest(
      generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
      'pi',
    );
    assert.throws(() => readDeviceRequest(rsa), CertificateRequestError);
  });

  it('is refused when it is none', () => {
    for (const text of [
      '',
      'x',
      request.slice(0, 200),
      request + request,
      request.replaceAll('REQUEST', ''),
    ]) {
      assert.throws(() => readDeviceRequest(text), CertificateRequestError);
    }
  });
});
