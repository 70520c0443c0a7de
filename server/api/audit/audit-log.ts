import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Clock } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Counter, Metrics } from '../../../lib/metrics.ts';

/** Where audit events go: one JSON a line, in a file that is turned over when it is full. */
export interface AuditLogOptions {
  path: string;
  /** Beyond it the file is put aside. */
  bytesMax: number;
  /** How many files that were put aside are kept; 0 is all. */
  backupsMax: number;
  /** How long they are kept, in milliseconds; 0 is for ever. */
  ageMaxMs: number;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** Lines that wait for the disk; more are dropped and counted, so that no disk can hold up a request. */
export const auditQueueBytesMax = 16 * 1024 * 1024;
const complainEveryMs = 60_000;

/**
 * Takes lines at once and writes them behind, as many at a time as have gathered. What the disk does not take in time
 * is lost, counted in `apiserver_audit_error_total` and told in the server's log.
 */
export class AuditLog implements AsyncDisposable {
  readonly #options: AuditLogOptions;
  readonly #events: ReturnType<Counter['of']>;
  readonly #errors: ReturnType<Counter['of']>;
  #file: FileHandle;
  #size: number;
  #queue: string[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;
  #complainedAt = -Infinity;

  private constructor(options: AuditLogOptions, file: FileHandle, size: number) {
    const { metrics } = options;
    this.#options = options;
    this.#file = file;
    this.#size = size;
    this.#events = metrics.counter({ name: 'apiserver_audit_event_total', help: 'Audit events made.' }).of();
    this.#errors = metrics
      .counter({
        name: 'apiserver_audit_error_total',
        help: 'Audit events that could not be written.',
        labels: ['plugin'],
      })
      .of('log');
  }

  /** Rejects as the file system does. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const file = await openFile(options.path);
    const log = new AuditLog(options, file, (await file.stat()).size);
    await removeOld(options);
    return log;
  }

  /** Never waits and never throws. */
  write(line: string): void {
    this.#events.add();
    if (this.#queuedBytes + line.length > auditQueueBytesMax) return this.#lose(1, 'the disk is too slow');
    this.#queue.push(`${line}\n`);
    this.#queuedBytes += line.length;
    this.#writing ??= this.#drain().finally(() => (this.#writing = undefined));
  }

  /** Writes what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#writing) await this.#writing;
    await this.#file.close();
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const lines = this.#queue;
      this.#queue = [];
      this.#queuedBytes = 0;
      try {
        await this.#append(Buffer.from(lines.join('')));
      } catch (error) {
        this.#lose(lines.length, error);
      }
    }
  }

  async #append(bytes: Buffer): Promise<void> {
    if (this.#size > 0 && this.#size + bytes.length > this.#options.bytesMax) await this.#turnOver();
    await this.#file.appendFile(bytes);
    this.#size += bytes.length;
  }

  async #turnOver(): Promise<void> {
    const { path, clock } = this.#options;
    await this.#file.close();
    try {
      await rename(path, backupPath(path, clock.now()));
    } finally {
      this.#file = await openFile(path);
      this.#size = (await this.#file.stat()).size;
    }
    await removeOld(this.#options);
  }

  #lose(count: number, error: unknown): void {
    const { clock, log } = this.#options;
    this.#errors.add(count);
    if (clock.monotonic() - this.#complainedAt < complainEveryMs) return;
    this.#complainedAt = clock.monotonic();
    log.error('audit events were lost', { count, error });
  }
}

function openFile(path: string): Promise<FileHandle> {
  return open(path, 'a', 0o600);
}

/** `audit.log` becomes `audit-2026-01-31T12-00-00.000.log`. */
function backupPath(path: string, nowMs: number): string {
  const suffix = extname(path);
  const time = new Date(nowMs).toISOString().slice(0, -1).replaceAll(':', '-');
  return join(dirname(path), `${basename(path, suffix)}-${time}${suffix}`);
}

async function removeOld({ path, backupsMax, ageMaxMs, clock }: AuditLogOptions): Promise<void> {
  const suffix = extname(path);
  const prefix = `${basename(path, suffix)}-`;
  const names = (await readdir(dirname(path))).filter((name) => {
    const time = name.slice(prefix.length, name.length - suffix.length);
    return name.startsWith(prefix) && name.endsWith(suffix) && /^\d{4}-\d\d-\d\dT[\d.-]+$/.test(time);
  });
  const newestFirst = names.sort().reverse();
  for (const [index, name] of newestFirst.entries()) {
    const backup = join(dirname(path), name);
    const isTooMany = backupsMax > 0 && index >= backupsMax;
    const isTooOld = ageMaxMs > 0 && clock.now() - (await stat(backup)).mtimeMs > ageMaxMs;
    if (isTooMany || isTooOld) await rm(backup, { force: true });
  }
}
