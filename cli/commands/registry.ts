import type { CommandDefinition, OptionTable } from '../command.ts';

/**
 * Every command, loaded only when it is called: the agent must not carry the server's code.
 * A definition's options are its own business, so the list knows them only as a table.
 */
export const commands: Readonly<Record<string, CommandEntry>> = {
  up: entry('Start a server and an agent on this machine and run an example', () => import('./up.ts')),
  server: entry('Run the server: API, broker, store, controllers', () => import('./server.ts')),
  agent: entry('Run the agent that makes this machine a node', () => import('./agent.ts')),
  'token create': entry('Make a token with which a device can join', () => import('./token-create.ts')),
  simulate: entry('Run a fleet of simulated devices against a server', () => import('./simulate.ts')),
};

interface CommandEntry {
  summary: string;
  load(): Promise<CommandDefinition>;
}

function entry<O extends OptionTable>(
  summary: string,
  load: () => Promise<{ command: CommandDefinition<O> }>,
): CommandEntry {
  return { summary, load: async () => (await load()).command };
}
