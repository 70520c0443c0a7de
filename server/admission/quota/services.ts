import type { Service } from '../../../protocol/generated/models.ts';
import { one, times } from './amounts.ts';
import type { Evaluator } from './usage.ts';

const covered = new Set(['services', 'services.loadbalancers', 'services.nodeports']);

export const serviceEvaluator: Evaluator = {
  covers: (name) => covered.has(name),
  usage(object) {
    const { spec } = object as Service;
    const ports = spec?.ports ?? [];
    const isBalanced = spec?.type === 'LoadBalancer';
    const given = ports.filter(({ nodePort }) => (nodePort ?? 0) !== 0);
    let nodePorts = 0;
    if (spec?.type === 'NodePort') nodePorts = ports.length;
    if (isBalanced) nodePorts = (spec.allocateLoadBalancerNodePorts ?? true) ? ports.length : given.length;
    return new Map([
      ['services', one],
      ['services.loadbalancers', times(isBalanced ? 1 : 0)],
      ['services.nodeports', times(nodePorts)],
    ]);
  },
  charges: ({ operation, subresource }) =>
    subresource === '' && (operation === 'CREATE' || operation === 'UPDATE'),
};
