import type { DesiredSet } from '../desired/desired-set.ts';
import { NodeEndpoints } from './node-endpoints.ts';

/** What every device tells about itself; others register theirs beside. */
export function ownEndpoints(desired: DesiredSet): NodeEndpoints {
  const endpoints = new NodeEndpoints();
  endpoints.register('/healthz', () => ({ body: 'ok' }));
  endpoints.register('/pods', () => {
    const items = [...desired.entries].flatMap(([key, { object }]) =>
      key.startsWith('Pod/') ? [object] : [],
    );
    const list = { kind: 'PodList', apiVersion: 'v1', metadata: {}, items };
    return { contentType: 'application/json', body: JSON.stringify(list) };
  });
  return endpoints;
}
