/**
 * Structured logs: a constant message and its values in fields, one line each on standard error.
 * Never pass secrets as fields.
 */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log with fields that every line carries. */
  child(fields: LogFields): Logger;
}

export interface LogOptions {
  level: LogLevel;
  format: 'json' | 'text';
  write: (line: string) => void;
  now: () => number;
}

const order: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

export function createLogger(options: LogOptions, bound: LogFields = {}): Logger {
  const emit = (level: LogLevel, message: string, fields: LogFields = {}) => {
    if (order[level] < order[options.level]) return;
    const time = new Date(options.now()).toISOString();
    options.write(options.format === 'json' ? jsonLine() : textLine());

    function jsonLine(): string {
      return JSON.stringify({ time, level, message, ...bound, ...fields }, plainErrors);
    }
    function textLine(): string {
      const pairs = Object.entries({ ...bound, ...fields }).map(
        ([key, value]) => `${key}=${textValue(value)}`,
      );
      return [time, level.toUpperCase().padEnd(5), message, ...pairs].join(' ');
    }
  };
  return {
    debug: (message, fields) => emit('debug', message, fields),
    info: (message, fields) => emit('info', message, fields),
    warn: (message, fields) => emit('warn', message, fields),
    error: (message, fields) => emit('error', message, fields),
    child: (fields) => createLogger(options, { ...bound, ...fields }),
  };
}

/** A log that keeps nothing; for tests and library use. */
export const silentLogger: Logger = createLogger({
  level: 'error',
  format: 'json',
  write: () => {},
  now: () => 0,
});

function textValue(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message);
  return typeof value === 'string' && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value);
}

function plainErrors(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  return {
    name: value.name,
    message: value.message,
    stack: value.stack,
    ...(value.cause ? { cause: value.cause } : {}),
  };
}
