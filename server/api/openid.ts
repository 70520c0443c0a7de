import type { Exchange } from './exchange.ts';
import { pathNotFound } from './request/request-info.ts';
import { sendValue } from './response/answer.ts';

/**
 * What others need to verify service accounts' tokens by themselves (OpenID Connect Discovery 1.0):
 * `/.well-known/openid-configuration` and the keys at `/openid/v1/jwks`.
 */
export async function serveOpenIdConfiguration(exchange: Exchange, rest: readonly string[]): Promise<void> {
  if (rest.join('/') !== 'openid-configuration') throw pathNotFound();
  const { issuer, keySet } = exchange.services.access.serviceAccounts.signer;
  const { localAddress = '', localPort = 0 } = exchange.request.socket;
  const host = localAddress.includes(':') ? `[${localAddress}]` : localAddress;
  const document = {
    issuer,
    // The address by which this very client reached the server is one that works.
    jwks_uri: `https://${host}:${localPort}/openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: keySet.keys.map(({ alg }) => alg),
  };
  exchange.response.setHeader('Cache-Control', 'public, max-age=3600');
  await sendValue(exchange, 200, document, { format: 'json' });
}

export async function serveOpenIdKeys(exchange: Exchange, rest: readonly string[]): Promise<void> {
  if (rest.join('/') !== 'v1/jwks') throw pathNotFound();
  const { keySet } = exchange.services.access.serviceAccounts.signer;
  exchange.response.setHeader('Cache-Control', 'public, max-age=3600');
  await sendValue(exchange, 200, keySet, { format: 'json' }, 'application/jwk-set+json');
}
