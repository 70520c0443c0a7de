import type { AggregatedApi, AggregatedApis } from '../../aggregation/aggregated-apis.ts';

/** The group version of `/apis/<group>/<version>/…`, when another server answers for it. */
export function aggregatedApi(
  { aggregated }: { aggregated: AggregatedApis },
  path: string,
): AggregatedApi | undefined {
  const [, group, version] = /^\/apis\/([^/]+)\/([^/?]+)(?:[/?]|$)/.exec(path) ?? [];
  return group !== undefined && version !== undefined ? aggregated.find(group, version) : undefined;
}
