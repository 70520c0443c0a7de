import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../lib/write-file-atomic.ts';
import { LinkError } from './link-error.ts';

/** Who a device is: its name, its cluster, and the proof. PEM. */
export interface DeviceIdentity {
  cluster: string;
  node: string;
  key: string;
  cert: string;
  ca: string;
}

/** Everything but the key is in one file, so that it is there entirely or not at all. */
const keyFile = 'device.key';
const identityFile = 'identity.json';

/** Undefined when the device has not joined. Throws LinkError BadIdentity when files are there but cannot be used. */
export async function loadDeviceIdentity(directory: string): Promise<DeviceIdentity | undefined> {
  const [key, text] = await Promise.all([
    read(join(directory, keyFile)),
    read(join(directory, identityFile)),
  ]);
  if (text === undefined) return undefined;
  const path = join(directory, identityFile);
  if (key === undefined) {
    throw new LinkError(
      'BadIdentity',
      `${join(directory, keyFile)} is missing: remove ${directory} and join again`,
    );
  }
  const { cluster, node, cert, ca } = parse(path, text);
  return { cluster, node, cert, ca, key };
}

/**
 * The device's key, made at the first call. A later attempt to join uses the same one, so that the server knows it
 * again.
 */
export async function loadOrMakeDeviceKey(directory: string): Promise<KeyObject> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, keyFile);
  const pem = await read(path);
  if (pem !== undefined) {
    try {
      return createPrivateKey(pem);
    } catch (cause) {
      throw new LinkError('BadIdentity', `${path} does not hold a private key: remove it and join again`, {
        cause,
      });
    }
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFileAtomic(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600);
  return privateKey;
}

export async function saveDeviceIdentity(
  directory: string,
  identity: Omit<DeviceIdentity, 'key'>,
): Promise<void> {
  const { cluster, node, cert, ca } = identity;
  const text = `${JSON.stringify({ cluster, node, cert, ca }, undefined, 2)}\n`;
  await writeFileAtomic(join(directory, identityFile), text, 0o600);
}

function parse(path: string, text: string): Omit<DeviceIdentity, 'key'> {
  const bad = (cause?: unknown) =>
    new LinkError('BadIdentity', `${path} cannot be used: remove it and join again`, { cause });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw bad(cause);
  }
  if (typeof parsed !== 'object' || parsed === null) throw bad();
  const fields: Partial<Record<string, unknown>> = { ...parsed };
  const { cluster, node, cert, ca } = fields;
  if (![cluster, node, cert, ca].every((value) => typeof value === 'string' && value !== '')) throw bad();
  return { cluster, node, cert, ca } as Omit<DeviceIdentity, 'key'>;
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
