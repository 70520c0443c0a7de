import { startAgent } from '../../agent/main.ts';
import { systemClock } from '../../lib/clock.ts';
import { createLogger } from '../../lib/log.ts';
import { systemRandom } from '../../lib/random.ts';
import { DeadLink } from './dead-link.ts';

/**
 * A program: an agent in the folder of its first argument that never finds its server. Prints `settled` once its
 * pods are planned.
 */
const [dataDir = '', runtime = 'process'] = process.argv.slice(2);
const ready = Promise.withResolvers<void>();
const log = createLogger({
  level: 'info',
  format: 'json',
  write: (line) => {
    process.stderr.write(`${line}\n`);
    if (line.includes('runtime is ready')) ready.resolve();
  },
  now: () => systemClock.now(),
});
const agent = await startAgent(
  { dataDir, runtime, name: 'offline', server: { host: '127.0.0.1', port: 1 } },
  {
    clock: systemClock,
    random: systemRandom,
    log,
    version: 'v0.0.0',
    identify: async () => ({ cluster: 'offline', openLink: () => new DeadLink() }),
  },
);
const alive = setInterval(() => undefined, 60_000);
await ready.promise;
await agent.pods.idle();
process.stdout.write('settled\n');
process.once('SIGTERM', () => {
  clearInterval(alive);
  void agent[Symbol.asyncDispose]();
});
