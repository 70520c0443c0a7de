import type { CommandDefinition, OptionTable } from '../command.ts';

/**
 * Every command, loaded only when it is called: the agent must not carry the server's code.
 * A definition's options are its own business, so the list knows them only as a table.
 */
export const commands: Readonly<Record<string, CommandEntry>> = {};

interface CommandEntry {
  summary: string;
  load(): Promise<CommandDefinition>;
}

function entry<O extends OptionTable>(
  summary: string,
  load: () => Promise<{ command: CommandDefinition<O> }>,
): CommandEntry {
  return { summary, load: async () => (await load()).command as CommandDefinition };
}
