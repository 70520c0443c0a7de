import type { Judge, PluginContext, PluginDefinition, SchedulerPlugin } from './plugin.ts';
import type { PodRequest } from './pod-request.ts';

/** What pods ask for by spec.schedulerName: which plugins have a say, and how much. */
export interface ProfileSettings {
  schedulerName: string;
  /** Plugins that have no say. */
  disabled?: readonly string[] | undefined;
  /** Weights of plugins other than their own. */
  weights?: Readonly<Record<string, number>> | undefined;
}

export const defaultProfiles: readonly ProfileSettings[] = [{ schedulerName: 'default-scheduler' }];

export interface OpenPlugin {
  name: string;
  weight: number;
  plugin: SchedulerPlugin;
}

export interface OpenJudge extends Judge {
  weight: number;
}

/** What all that concern a pod have to say of it, in the order of the plugins. */
export type Judges = readonly OpenJudge[];

/** Names in the settings that no plugin has. */
export function unknownPlugins(
  profiles: readonly ProfileSettings[],
  definitions: readonly PluginDefinition[],
): string[] {
  const known = definitions.map(({ name }) => name);
  return profiles
    .flatMap(({ disabled = [], weights = {} }) => [...disabled, ...Object.keys(weights)])
    .filter((name) => !known.includes(name));
}

export function openProfiles(
  profiles: readonly ProfileSettings[],
  definitions: readonly PluginDefinition[],
  context: PluginContext,
): ReadonlyMap<string, readonly OpenPlugin[]> {
  const opened = definitions.map((definition) => ({
    name: definition.name,
    weight: definition.weight ?? 1,
    plugin: definition.open(context),
  }));
  return new Map(
    profiles.map(({ schedulerName, disabled = [], weights = {} }) => [
      schedulerName,
      opened
        .filter(({ name }) => !disabled.includes(name))
        .map((open) => ({ ...open, weight: weights[open.name] ?? open.weight })),
    ]),
  );
}

export function judgesOf(pod: PodRequest, plugins: readonly OpenPlugin[]): Judges {
  const judges: OpenJudge[] = [];
  for (const { plugin, weight } of plugins) {
    const judge = plugin.judge(pod);
    if (judge) judges.push({ ...judge, weight });
  }
  return judges;
}
