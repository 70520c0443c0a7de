import { badRequest } from './failures.ts';

/** Where in the keys a list goes on, and at which revision. */
export interface ListPosition {
  /** The latest when absent. */
  readonly revision?: number;
  /** First key, inclusive. */
  readonly start?: string;
  /** How many objects there are from `start` on, when known. */
  readonly remaining?: number;
  /** No more entries than this are wanted at once. */
  readonly limit?: number;
}

interface ContinueToken {
  readonly revision: number;
  readonly start: string;
  readonly remaining?: number;
}

export function writeContinue({ revision, start, remaining }: ContinueToken): string {
  const token = { rev: revision, start, ...(remaining === undefined ? {} : { left: remaining }) };
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

/** BadRequest unless the token came from a list under `prefix`: a token must not reach what its list could not. */
export function parseContinue(text: string, prefix: string): ContinueToken {
  const token = decodeToken(text);
  const { rev, start, left } = token;
  if (typeof rev !== 'number' || !Number.isSafeInteger(rev) || rev <= 0 || typeof start !== 'string') {
    throw badRequest('continue key is not valid: incomplete token');
  }
  if (!start.startsWith(prefix)) throw badRequest('continue key is not valid: it belongs to another list');
  const remaining = typeof left === 'number' && Number.isSafeInteger(left) ? { remaining: left } : {};
  return { revision: rev, start, ...remaining };
}

/** The number behind a resourceVersion; 0 for `` and `0`, which both mean "any". */
export function parseVersion(text: string): number {
  const version = text === '' ? 0 : Number(text);
  if (/^\d*$/.test(text) && Number.isSafeInteger(version)) return version;
  throw badRequest(`Invalid value: ${JSON.stringify(text)}: a resourceVersion is a decimal number`);
}

function decodeToken(text: string): Record<string, unknown> {
  try {
    const token: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (typeof token === 'object' && token !== null) return token as Record<string, unknown>;
  } catch (error) {
    throw badRequest(`continue key is not valid: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw badRequest('continue key is not valid: not an object');
}
