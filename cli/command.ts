import type { Clock } from '../lib/clock.ts';
import type { Logger, LogLevel } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';

/**
 * A command of the `flotilla` program is one file in `commands/` with one `defineCommand`, and one line in
 * `commands/registry.ts`. Parsing, help and errors are made from the definition.
 */
export interface CommandDefinition<O extends OptionTable = OptionTable> {
  /** One or two words, e.g. `token create`. */
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** Paragraphs for `flotilla help <name>`. */
  description?: string;
  options: O;
  run(context: CommandContext, options: OptionValues<O>): Promise<void>;
}

export type OptionTable = Readonly<Record<string, OptionDefinition>>;

export interface OptionDefinition {
  type: 'string' | 'boolean' | 'integer' | 'strings';
  /** What stands for the value in the help, e.g. `DIR`. */
  placeholder?: string;
  description: string;
}

/** Option names are kebab-case on the command line and here alike. */
export type OptionValues<O extends OptionTable> = {
  [K in keyof O]?: O[K]['type'] extends 'boolean'
    ? boolean
    : O[K]['type'] extends 'integer'
      ? number
      : O[K]['type'] extends 'strings'
        ? string[]
        : string;
};

export interface CommandContext {
  print(line: string): void;
  /** Progress and warnings; standard error. */
  note(line: string): void;
  /** Aborts at the first SIGINT or SIGTERM. */
  signal: AbortSignal;
  environment: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  random: Random;
  log(level: LogLevel, format: 'json' | 'text'): Logger;
}

/** A failure that the person at the keyboard can mend: printed without a stack. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, options?: { cause?: unknown; exitCode?: number }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CommandError';
    this.exitCode = options?.exitCode ?? 1;
  }
}

export function defineCommand<const O extends OptionTable>(
  definition: CommandDefinition<O>,
): CommandDefinition<O> {
  return definition;
}
