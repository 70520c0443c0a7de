import { chmod, link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentError } from './agent-error.ts';
import { currentBootId, isAlive, type ProcessIdentity, readProcessStat } from './drivers/process-identity.ts';

/**
 * Makes the agent's folder its own: only its user may look into it (it holds keys and Secrets), and only one agent
 * at a time uses it. Disposing lets the next one in. Rejects with an AgentError `DataDirUnusable` or
 * `DataDirInUse`.
 */
export async function claimDataDir(dataDir: string): Promise<AsyncDisposable> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await chmod(dataDir, 0o700);
    return await lock(dataDir);
  } catch (error) {
    if (error instanceof AgentError) throw error;
    const words = error instanceof Error ? error.message : String(error);
    throw new AgentError('DataDirUnusable', `the agent cannot use the data folder ${dataDir}: ${words}`, {
      cause: error,
    });
  }
}

const lockAttemptsMax = 3;

/**
 * The file names its holder, so that one left behind by a power cut or a kill does not lock anybody out. It stays when
 * the agent ends, and its room is used again: a full disk must not keep the next one from starting.
 */
async function lock(dataDir: string): Promise<AsyncDisposable> {
  const path = join(dataDir, 'agent.lock');
  const own = ownIdentity();
  for (let attempt = 0; attempt < lockAttemptsMax; attempt++) {
    if (await createWhole(path, JSON.stringify(own))) {
      return { [Symbol.asyncDispose]: () => overwrite(path, nobody) };
    }
    const holder = await readHolder(path);
    if (holder && isAlive(holder, own.bootId) && holder.pid !== own.pid) break;
    if (holder?.pid === own.pid && holder.startTicks === own.startTicks) break;
    if (await takeOver(path, own)) return { [Symbol.asyncDispose]: () => overwrite(path, nobody) };
  }
  const holder = await readHolder(path);
  throw new AgentError(
    'DataDirInUse',
    `another agent${holder ? ` (process ${holder.pid})` : ''} uses the data folder ${dataDir}: stop it, or choose another folder`,
  );
}

/** What names no holder. */
const nobody = '{}';

/** By renaming, only one of two that find the same stale file gets it. False when another did. */
async function takeOver(path: string, own: ProcessIdentity): Promise<boolean> {
  const stale = `${path}.${own.pid}.stale`;
  try {
    await rename(path, stale);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
  try {
    await overwrite(stale, JSON.stringify(own));
    await link(stale, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(stale, { force: true });
  }
}

/** Within the room that the file has, as long as that suffices. */
async function overwrite(path: string, text: string): Promise<void> {
  await using file = await open(path, 'r+');
  await file.write(text, 0);
  await file.truncate(Buffer.byteLength(text));
}

function ownIdentity(): ProcessIdentity {
  return {
    pid: process.pid,
    startTicks: readProcessStat(process.pid)?.startTicks ?? 0,
    bootId: currentBootId(),
  };
}

/** False when it is there already. */
async function createWhole(path: string, content: string): Promise<boolean> {
  try {
    await using file = await open(path, 'wx', 0o600);
    await file.writeFile(content);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as Partial<ProcessIdentity> | null;
    const { pid, startTicks, bootId } = value ?? {};
    if (typeof pid !== 'number' || typeof startTicks !== 'number' || typeof bootId !== 'string')
      return undefined;
    return { pid, startTicks, bootId };
  } catch {
    return undefined;
  }
}
