import type { Clock } from '../../../lib/clock.ts';
import type { PullOptions, RegistryCredential } from '../driver.ts';
import { DriverError } from '../errors.ts';
import { callEngine, type Engine, type EngineAnswer, engineTimeoutMs } from './engine.ts';
import { qualifiedReference } from './image-reference.ts';
import { openPullFiles, watchArrival } from './pull-files.ts';
import { openPullWay, type PullWayOptions } from './pull-way.ts';

export interface EnginePullOptions extends PullWayOptions {
  engine: Engine;
  /** See PullFilesOptions. */
  folder: string;
  owner: string;
  clock: Clock;
}

/** With each of the credentials until one is right. @throws DriverError `ErrImagePull`, `RuntimeUnavailable` */
export async function pullByEngine(
  image: string,
  pull: PullOptions,
  options: EnginePullOptions,
): Promise<void> {
  const { credentials = [] } = pull;
  const failures: string[] = [];
  for (const credential of credentials.length > 0 ? credentials : [undefined]) {
    const answer = await pullOnce(image, credential, pull, options);
    if (answer.exitCode === 0) return;
    failures.push(answer.message);
  }
  throw new DriverError('ErrImagePull', [...new Set(failures)].join('; '));
}

async function pullOnce(
  image: string,
  credential: RegistryCredential | undefined,
  { signal, onArrived, onNearby }: PullOptions,
  options: EnginePullOptions,
): Promise<EngineAnswer> {
  const { engine, clock } = options;
  using way = await openPullWay(image, credential, options);
  await using files = await openPullFiles({ ...options, credential, registries: way.registries });
  const arrived = () => way.arrivals?.bytes ?? files.arrivedBytes();
  using _measuring = onArrived && watchArrival(arrived, clock, onArrived);
  const call = { timeoutMs: engineTimeoutMs.pull, signal, environment: files.environment };
  const args = ['pull', '--quiet', qualifiedReference(image)];
  const answer = await way.ended(await callEngine(engine.command, args, call));
  if (answer.exitCode === 0 && way.arrivals?.fromPeers.size) onNearby?.(way.arrivals.fromPeers);
  return answer;
}
