import type { ApiServices, Exchange } from './exchange.ts';
import { isTrue } from './request/request-info.ts';
import { sendText } from './response/answer.ts';

/** One thing that must be well for the server to be. */
export interface HealthCheck {
  /** As `?verbose` shows it, e.g. `store`. */
  name: string;
  /** Rejects or throws when unwell. */
  check(): Promise<void> | void;
  /** `ready`: only readiness depends on it, so that nobody restarts the server over it. */
  scope?: 'ready';
}

type Endpoint = 'livez' | 'readyz' | 'healthz';

/** `/livez`, `/readyz`, `/healthz`, each with `?verbose` and `?exclude=<check>`, and `/livez/<check>` for one alone. */
export async function sendHealth(exchange: Exchange, endpoint: Endpoint, only?: string): Promise<boolean> {
  const { services, query } = exchange;
  const excluded = new Set(query.getAll('exclude'));
  const chosen = checksOf(services, endpoint).filter(({ name }) => only === undefined || name === only);
  if (chosen.length === 0) return false;
  const results = await Promise.all(
    chosen.map(async (check) =>
      excluded.has(check.name) ? `[+]${check.name} excluded: ok` : runCheck(check, services),
    ),
  );
  const healthy = results.every((line) => line.startsWith('[+]'));
  const verdict = `${endpoint} check ${healthy ? 'passed' : 'failed'}`;
  const brief = healthy && !isTrue(query.get('verbose') === '' ? 'true' : query.get('verbose'));
  sendText(exchange, healthy ? 200 : 500, brief ? 'ok' : `${[...results, verdict].join('\n')}\n`);
  return true;
}

function checksOf({ checks, stopping }: ApiServices, endpoint: Endpoint): HealthCheck[] {
  const ping: HealthCheck = { name: 'ping', check: () => {} };
  if (endpoint !== 'readyz') return [ping, ...checks.filter(({ scope }) => scope !== 'ready')];
  const shutdown: HealthCheck = { name: 'shutdown', check: () => stopping.throwIfAborted() };
  return [ping, ...checks, shutdown];
}

async function runCheck(health: HealthCheck, { log }: ApiServices): Promise<string> {
  try {
    await health.check();
    return `[+]${health.name} ok`;
  } catch (error) {
    log.warn('health check failed', { check: health.name, error });
    return `[-]${health.name} failed: reason withheld`;
  }
}
