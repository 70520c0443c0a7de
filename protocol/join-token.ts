import { createHash, X509Certificate } from 'node:crypto';
import type { Random } from '../lib/random.ts';
import type { Secret } from './generated/models.ts';

/**
 * A join token: `<id>.<secret>.<pin>`. The id names the token and may be shown, the secret proves that its bearer
 * was given it, and the pin (SHA-256 of the CA's public key) lets the bearer recognise the cluster before saying
 * anything.
 */
export interface JoinToken {
  /** 6 characters of a-z and 0-9. */
  id: string;
  /** At least 16 of the same. */
  secret: string;
  /** base64url. */
  pin: string;
}

const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16,64})\.([A-Za-z0-9_-]{43})$/;

/** Undefined when the text is not a token; surrounding white space is forgiven, because tokens are pasted. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const [, id, secret, pin] = tokenPattern.exec(text.trim()) ?? [];
  return id !== undefined && secret !== undefined && pin !== undefined ? { id, secret, pin } : undefined;
}

/** What a token says of the CA with this certificate (PEM or DER). */
export function certificatePin(certificate: string | Uint8Array): string {
  const { publicKey } = new X509Certificate(certificate);
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

/**
 * Where tokens are stored: Kubernetes' bootstrap tokens (source: its documentation, bootstrap-tokens), and some
 * keys of ours.
 */
export const tokenNamespace = 'kube-system';
export const tokenSecretType = 'bootstrap.kubernetes.io/token';

export function tokenSecretName(id: string): string {
  return `bootstrap-token-${id}`;
}

/** Our own keys in a token's secret. */
export const tokenKeys = {
  /** `true`: the first device that joins uses the token up. */
  singleUse: 'single-use',
  /** Node names that may join with it; `*` stands for any run of characters. Absent: any. */
  nodes: 'allowed-nodes',
  /** `true`: may take over the name of a node that exists, e.g. for a device that was reinstalled. */
  rejoin: 'allow-rejoin',
  /** Node that used the token up, and the SHA-256 of that device's public key (hex). */
  usedBy: 'used-by',
  usedByKey: 'used-by-key',
} as const;

export interface NewTokenOptions {
  /** PEM. */
  caCertificate: string;
  /** The operating system's. */
  random: Random;
  /** Milliseconds since 1970. */
  now: number;
  /** Never expires when absent. */
  ttlMs?: number;
  singleUse: boolean;
  nodes?: string;
  allowRejoin?: boolean;
  description?: string;
}

/** A fresh token and the Secret to create for it. The secret's text exists nowhere else. */
export function newJoinToken(options: NewTokenOptions): { token: string; secret: Secret } {
  const id = randomText(options.random, 6);
  const secret = randomText(options.random, 16);
  const data: Record<string, string | undefined> = {
    'token-id': id,
    'token-secret': secret,
    'usage-bootstrap-authentication': 'true',
    'usage-bootstrap-signing': 'true',
    'auth-extra-groups': 'system:bootstrappers:flotilla',
    description: options.description,
    expiration:
      options.ttlMs === undefined
        ? undefined
        : new Date(options.now + options.ttlMs).toISOString().replace(/\.\d+/, ''),
    [tokenKeys.singleUse]: options.singleUse ? 'true' : undefined,
    [tokenKeys.nodes]: options.nodes,
    [tokenKeys.rejoin]: options.allowRejoin === true ? 'true' : undefined,
  };
  return {
    token: `${id}.${secret}.${certificatePin(options.caCertificate)}`,
    secret: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: tokenSecretName(id), namespace: tokenNamespace },
      type: tokenSecretType,
      data: Object.fromEntries(
        Object.entries(data).flatMap(([key, value]) =>
          value === undefined ? [] : [[key, Buffer.from(value).toString('base64')]],
        ),
      ),
    },
  };
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';

function randomText(random: Random, length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of random.bytes(length)) {
      // 252 is the largest multiple of 36 in a byte; above it some characters would come up more often.
      if (byte < 252 && text.length < length) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
