import { parseArgs } from 'node:util';
import { type CommandDefinition, CommandError, type OptionTable, type OptionValues } from './command.ts';

const usageExitCode = 2;

/** The values of `definition`'s options in `words`. Throws a CommandError that names the word and what would do. */
export function parseOptions<O extends OptionTable>(
  definition: CommandDefinition<O>,
  words: string[],
): OptionValues<O> {
  const known: Record<string, { type: 'string' | 'boolean'; multiple: boolean }> = {};
  for (const [name, option] of Object.entries(definition.options)) {
    known[name] = {
      type: option.type === 'boolean' ? 'boolean' : 'string',
      multiple: option.type === 'strings',
    };
  }
  const values = parseWords(definition, known, words);
  for (const [name, option] of Object.entries(definition.options)) {
    const value = values[name];
    if (option.type === 'integer' && typeof value === 'string') values[name] = parseInteger(name, value);
  }
  return values as OptionValues<O>;
}

function parseWords(
  definition: CommandDefinition,
  known: Record<string, { type: 'string' | 'boolean'; multiple: boolean }>,
  words: string[],
): Record<string, unknown> {
  try {
    return { ...parseArgs({ args: words, options: known, strict: true, allowPositionals: false }).values };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CommandError(`${message}\nSee: flotilla help ${definition.name}`, {
      cause: error,
      exitCode: usageExitCode,
    });
  }
}

function parseInteger(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new CommandError(`--${name} takes a whole number, not ${JSON.stringify(text)}`, {
    exitCode: usageExitCode,
  });
}

/** The help page of one command. */
export function helpOf(definition: CommandDefinition): string {
  const rows = Object.entries(definition.options).map(([name, option]) => {
    const value = option.type === 'boolean' ? '' : ` ${option.placeholder ?? 'VALUE'}`;
    return [`  --${name}${value}`, option.description] as const;
  });
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 2;
  return [
    `Usage: flotilla ${definition.name}${rows.length > 0 ? ' [options]' : ''}`,
    '',
    definition.description ?? definition.summary,
    ...(rows.length > 0 ? ['', 'Options:', ...rows.map(([left, right]) => left.padEnd(width) + right)] : []),
  ].join('\n');
}
