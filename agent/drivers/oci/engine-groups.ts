import type { Clock } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { PodLimits, UnenforcedLimits } from '../driver.ts';
import { type CgroupTree, openCgroups } from '../process/cgroups.ts';
import { describeEngine, type Engine } from './engine.ts';

/** What an engine is asked to do about a pod's control group. */
export interface PodPlace {
  /** Before the command's own name. */
  globals: readonly string[];
  /** Path from the mount of the groups. */
  parent: string;
  /** A process that writes 0 into each of these is not the agent's any more. */
  joinFiles: readonly string[];
}

/**
 * A pod's containers lie in a group of the agent's making, if the engine lets itself be told where. An engine that would
 * ask systemd is told not to; one that then cannot start anything is left to put containers where it likes.
 */
export class EngineGroups {
  readonly #stateDir: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  #tree: CgroupTree | undefined;
  #opened = false;
  /** Whether the engine has been seen to take them. */
  #works: boolean | undefined;

  constructor({ stateDir, clock, log }: { stateDir: string; clock: Clock; log: Logger }) {
    this.#stateDir = stateDir;
    this.#clock = clock;
    this.#log = log;
  }

  make(engine: Engine, podUid: string, limits: PodLimits | undefined): void {
    if (limits && this.#works !== false && offersGroups(engine)) this.#groups?.pods.make(podUid, limits);
  }

  /** Undefined for a pod without one, as those of earlier agents. */
  placeOf(engine: Engine, podUid: string): PodPlace | undefined {
    const parent = this.#groups?.pods.parentOf(podUid);
    if (parent === undefined) return undefined;
    const globals = engine.cgroupManager === 'systemd' ? ['--cgroup-manager', 'cgroupfs'] : [];
    return { globals, parent, joinFiles: this.#groups?.engineFiles() ?? [] };
  }

  update(podUid: string, limits: PodLimits, how: 'raise' | 'exact'): void {
    this.#groups?.pods.update(podUid, limits, how);
  }

  async remove(podUid: string): Promise<void> {
    await this.#groups?.pods.remove(podUid, this.#clock);
  }

  /** True when what failed in a group is worth another try without. */
  doubts(podUid: string): boolean {
    return this.#works === undefined && this.#groups?.pods.parentOf(podUid) !== undefined;
  }

  /** A sandbox was made, in a group of its own or, where that had failed, without. */
  learn(podUid: string): void {
    if (this.#works !== undefined) return;
    this.#works = this.#groups?.pods.parentOf(podUid) !== undefined;
    if (!this.#works)
      this.#log.warn('the engine cannot use control groups of ours: pods are limited container by container');
  }

  get #groups(): CgroupTree | undefined {
    if (!this.#opened) this.#tree = openCgroups(this.#stateDir);
    this.#opened = true;
    return this.#tree;
  }
}

/** Without root's rights an engine makes groups where its user may; docker asks systemd whatever it is told. */
function offersGroups({ command, rootless, cgroupManager }: Engine): boolean {
  return !rootless && (cgroupManager === 'cgroupfs' || (command === 'podman' && cgroupManager === 'systemd'));
}

export function unenforcedBy(engine: Engine): UnenforcedLimits | undefined {
  const enforced = { cpu: engine.limitsCpu, memory: engine.limitsMemory, pids: engine.limitsPids };
  const resources = (['cpu', 'memory', 'pids'] as const).filter((name) => !enforced[name]);
  return resources.length === 0 ? undefined : { resources, reason: describeEngine(engine) };
}
