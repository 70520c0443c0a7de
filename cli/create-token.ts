import type { NewTokenOptions } from '../protocol/join-token.ts';
import { newJoinToken, tokenNamespace } from '../protocol/join-token.ts';
import { type ApiClient, expectSuccess } from './api-client.ts';

/** Makes a join token and stores it through the API. Returns its text, which cannot be had again. */
export async function createToken(
  client: ApiClient,
  options: Omit<NewTokenOptions, 'caCertificate'>,
): Promise<string> {
  const { token, secret } = newJoinToken({ ...options, caCertificate: client.caCertificate });
  const answer = await client.request('POST', `/api/v1/namespaces/${tokenNamespace}/secrets`, secret);
  expectSuccess(answer, 'creating the token');
  return token;
}
