import type { ContainerPort, LifecycleHandler, Probe } from '../../protocol/generated/models.ts';

/**
 * What a probe or a lifecycle hook does, with everything resolved but the address: that may change with the network
 * the device is in, so it is looked up when the action is taken.
 */
export type Action =
  | { type: 'exec'; command: readonly string[] }
  | {
      type: 'httpGet';
      /** Undefined: the pod's own address. */
      host: string | undefined;
      port: number;
      path: string;
      secure: boolean;
      headers: readonly (readonly [name: string, value: string])[];
    }
  | { type: 'tcpSocket'; host: string | undefined; port: number }
  | { type: 'grpc'; port: number; service: string }
  | { type: 'sleep'; seconds: number }
  /** It can never be taken; the message says why. */
  | { type: 'impossible'; message: string };

type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'> & Pick<LifecycleHandler, 'sleep'>;

/** `ports` are those of the container, by whose names a port may be given. */
export function actionOf(handler: Handler, ports: readonly ContainerPort[]): Action {
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler;
  if (exec) return { type: 'exec', command: exec.command ?? [] };
  if (grpc) return { type: 'grpc', port: grpc.port, service: grpc.service ?? '' };
  if (sleep) return { type: 'sleep', seconds: sleep.seconds };
  const reached = httpGet ?? tcpSocket;
  if (!reached) return { type: 'impossible', message: 'missing probe handler' };
  const port = portNumber(reached.port, ports);
  if (port === undefined) {
    const why = typeof reached.port === 'string' ? 'is not a port of the container' : 'is no port';
    return { type: 'impossible', message: `${JSON.stringify(reached.port)} ${why}` };
  }
  if (!httpGet) return { type: 'tcpSocket', host: reached.host, port };
  const { path = '/', scheme, httpHeaders = [] } = httpGet;
  return {
    type: 'httpGet',
    host: httpGet.host,
    port,
    path: path.startsWith('/') ? path : `/${path}`,
    secure: scheme === 'HTTPS',
    headers: httpHeaders.map(({ name, value }) => [name, value] as const),
  };
}

function portNumber(port: number | string, ports: readonly ContainerPort[]): number | undefined {
  const named = ports.find(({ name }) => name === port)?.containerPort;
  const number = named ?? Number(port);
  return Number.isInteger(number) && number > 0 && number < 65536 ? number : undefined;
}
