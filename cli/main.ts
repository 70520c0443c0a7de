import { systemClock } from '../lib/clock.ts';
import { createLogger } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import { type CommandContext, CommandError } from './command.ts';
import { commands } from './commands/registry.ts';
import { helpOf, parseOptions } from './parse-command.ts';

process.exitCode = await runProgram(process.argv.slice(2));

async function runProgram(words: string[]): Promise<number> {
  try {
    return await runCommand(words);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    process.stderr.write(`flotilla: ${error.message}\n`);
    return error.exitCode;
  }
}

async function runCommand(words: string[]): Promise<number> {
  const [first = 'help'] = words;
  if (first === 'help' || words.includes('--help') || words.includes('-h')) {
    return printHelp(words.filter((word) => word !== 'help' && !word.startsWith('-')));
  }
  const name = commandName(words);
  const definition = await commands[name]?.load();
  if (!definition)
    throw new CommandError(`there is no command "${first}". See: flotilla help`, { exitCode: 2 });
  await definition.run(createContext(), parseOptions(definition, words.slice(name.split(' ').length)));
  return 0;
}

function commandName(words: string[]): string {
  const two = words.slice(0, 2).join(' ');
  return two in commands ? two : (words[0] ?? '');
}

async function printHelp(words: string[]): Promise<number> {
  const definition = await commands[commandName(words)]?.load();
  const list = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(14)}${summary}`);
  const overview = [
    'Usage: flotilla <command> [options]',
    '',
    ...list,
    '',
    'flotilla help <command> tells more.',
  ];
  process.stdout.write(`${definition ? helpOf(definition) : overview.join('\n')}\n`);
  return 0;
}

function createContext(): CommandContext {
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => abort.abort(new Error(signal)));
  }
  return {
    print: (line) => process.stdout.write(`${line}\n`),
    note: (line) => process.stderr.write(`${line}\n`),
    signal: abort.signal,
    environment: process.env,
    clock: systemClock,
    random: systemRandom,
    log: (level, format) =>
      createLogger({
        level,
        format,
        write: (line) => process.stderr.write(`${line}\n`),
        now: () => systemClock.now(),
      }),
  };
}
