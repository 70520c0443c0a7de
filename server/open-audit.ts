import { readFile } from 'node:fs/promises';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Random } from '../lib/random.ts';
import { AuditLog } from './api/audit/audit-log.ts';
import { parseAuditPolicy } from './api/audit/audit-policy.ts';
import { type Auditor, createAuditor } from './api/audit/auditor.ts';
import { ConfigError, type ServerConfig } from './config/server-config.ts';

const mebibyte = 1024 * 1024;
const dayMs = 24 * 3_600_000;

/** The audit log that the settings ask for, open until `parts` is disposed; undefined for none. Throws ConfigError. */
export async function openAudit(
  config: ServerConfig,
  { clock, random, log, metrics }: { clock: Clock; random: Random; log: Logger; metrics: Metrics },
  parts: AsyncDisposableStack,
): Promise<Auditor | undefined> {
  const { auditPolicyFile, auditLogPath } = config;
  if (auditPolicyFile === undefined && auditLogPath === undefined) return undefined;
  if (auditPolicyFile === undefined || auditLogPath === undefined) {
    throw new ConfigError('auditPolicyFile and auditLogPath go together');
  }
  const policy = await usable('auditPolicyFile', async () =>
    parseAuditPolicy(await readFile(auditPolicyFile, 'utf8')),
  );
  const file = {
    path: auditLogPath,
    bytesMax: config.auditLogMaxSize * mebibyte,
    backupsMax: config.auditLogMaxBackup,
    ageMaxMs: config.auditLogMaxAge * dayMs,
  };
  const sink = parts.use(await usable('auditLogPath', () => AuditLog.open({ ...file, clock, log, metrics })));
  return createAuditor({ policy, sink, clock, random });
}

async function usable<R>(setting: string, make: () => Promise<R>): Promise<R> {
  try {
    return await make();
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${setting} cannot be used: ${words}`, { cause: error });
  }
}
