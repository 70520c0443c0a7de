import { HttpsCallError } from '../outgoing/https-client.ts';
import { ServiceAddressError } from '../outgoing/service-address.ts';
import type { AggregatedApis, AskingUser } from './aggregated-apis.ts';

/** By this name the usual adapters let autoscalers in: Kubernetes' controller has that account. */
const autoscaler: AskingUser = {
  name: 'system:serviceaccount:kube-system:horizontal-pod-autoscaler',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
};

/** What the autoscalers' controller asks of other servers. */
export function createMetricsServers(apis: AggregatedApis) {
  return {
    /** Versions of the group that are answered for, the preferred one first. */
    versions: (wanted: string) =>
      apis
        .list()
        .filter(({ group }) => group === wanted)
        .map(({ version }) => version),
    /** What is at the path, or a Status. Rejects with words. */
    async read(path: string): Promise<{ status: number; body: unknown }> {
      const [, , group = '', version = ''] = path.split('/');
      const api = apis.find(group, version);
      if (!api?.available) throw new Error('the server is currently unable to handle the request');
      try {
        const { status, body } = await api.ask({ method: 'GET', path, user: autoscaler });
        return { status, body: parse(body) };
      } catch (error) {
        if (error instanceof HttpsCallError || error instanceof ServiceAddressError) api.suspect();
        throw error;
      }
    },
  };
}

/** What is no JSON says nothing; its status does. */
function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch {
    return null;
  }
}
