import type { Clock } from '../../../lib/clock.ts';
import type { ExecOptions, ExecProcess } from '../driver.ts';
import { openExecProcess } from '../exec-process.ts';
import { execArguments } from './arguments.ts';
import type { Engine } from './engine.ts';
import { killMarked } from './marked-processes.ts';

/** A command in a running container; `mark` is its alone. Killing it ends it in the container, too. */
export async function execCommand(
  engine: Engine,
  options: ExecOptions & { name: string; mark: string; clock: Clock },
): Promise<ExecProcess> {
  const { name, mark, clock, stdin, tty } = options;
  const args = execArguments(engine, name, options);
  const opened = await openExecProcess({ command: engine.command, args, stdin, tty, clock });
  const kill = () => {
    opened.kill();
    void killMarked(mark, clock);
  };
  return { ...opened, kill };
}
