import { definePlugin, pureJudge } from '../plugin.ts';

const anyAddress = '0.0.0.0';

/** No two pods on one node ask for the same host port on overlapping addresses. */
export const nodePorts = definePlugin({
  name: 'NodePorts',
  open: pureJudge(({ hostPorts }) => {
    if (hostPorts.length === 0) return undefined;
    return {
      yieldsToPreemption: true,
      filter(node) {
        const taken = hostPorts.some((wanted) =>
          [...node.hostPorts.keys()].some((used) => conflicts(wanted, used)),
        );
        return taken ? "node(s) didn't have free ports for the requested pod ports" : undefined;
      },
    };
  }),
});

function conflicts(a: string, b: string): boolean {
  const [protocolA, addressA, portA] = a.split('/');
  const [protocolB, addressB, portB] = b.split('/');
  return (
    protocolA === protocolB &&
    portA === portB &&
    (addressA === addressB || addressA === anyAddress || addressB === anyAddress)
  );
}
