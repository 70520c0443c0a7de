import type {
  ExecAction,
  GRPCAction,
  HTTPGetAction,
  Lifecycle,
  Probe,
  SleepAction,
  TCPSocketAction,
} from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { forbidden, invalid, invalidFor, nonNegative, oneOf, required } from '../cause.ts';
import { portReference } from '../name-rules.ts';

type ProbeName = 'livenessProbe' | 'readinessProbe' | 'startupProbe';

interface Handler {
  exec?: ExecAction;
  httpGet?: HTTPGetAction;
  tcpSocket?: TCPSocketAction;
  grpc?: GRPCAction;
  sleep?: SleepAction;
}

export function validateProbe(probe: Probe | undefined, name: ProbeName, container: string): StatusCause[] {
  if (!probe) return [];
  const field = `${container}.${name}`;
  const causes = [
    ...validateHandler(probe, field),
    ...nonNegative(`${field}.initialDelaySeconds`, probe.initialDelaySeconds),
    ...nonNegative(`${field}.timeoutSeconds`, probe.timeoutSeconds),
    ...nonNegative(`${field}.periodSeconds`, probe.periodSeconds),
    ...nonNegative(`${field}.successThreshold`, probe.successThreshold),
    ...nonNegative(`${field}.failureThreshold`, probe.failureThreshold),
  ];
  const { successThreshold = 1, terminationGracePeriodSeconds: grace } = probe;
  if (name !== 'readinessProbe' && successThreshold !== 1) {
    causes.push(invalid(`${field}.successThreshold`, successThreshold, 'must be 1'));
  }
  if (grace !== undefined && name === 'readinessProbe') {
    causes.push(
      invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes'),
    );
  } else if (grace !== undefined && grace <= 0) {
    causes.push(invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'));
  }
  return causes;
}

export function validateLifecycle(lifecycle: Lifecycle | undefined, container: string): StatusCause[] {
  const { postStart, preStop } = lifecycle ?? {};
  return [
    ...(postStart ? validateHandler(postStart, `${container}.lifecycle.postStart`) : []),
    ...(preStop ? validateHandler(preStop, `${container}.lifecycle.preStop`) : []),
  ];
}

/** Exactly one way to act. */
function validateHandler(handler: Handler, field: string): StatusCause[] {
  const given = (['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const).filter((way) => handler[way]);
  if (given.length === 0) return [required(field, 'must specify a handler type')];
  const extra = given
    .slice(1)
    .map((way) => forbidden(`${field}.${way}`, 'may not specify more than 1 handler type'));
  return [...validateAction(handler, field), ...extra];
}

function validateAction({ exec, httpGet, tcpSocket, grpc, sleep }: Handler, field: string): StatusCause[] {
  if (exec) return (exec.command ?? []).length === 0 ? [required(`${field}.exec.command`)] : [];
  if (httpGet) return validateHttpGet(httpGet, `${field}.httpGet`);
  if (tcpSocket) return validatePort(tcpSocket.port, `${field}.tcpSocket.port`);
  if (grpc) return validatePort(grpc.port, `${field}.grpc.port`);
  if (sleep && sleep.seconds < 0)
    return [invalid(`${field}.sleep`, sleep.seconds, 'must be greater than or equal to 0')];
  return [];
}

function validateHttpGet(
  { path, port, scheme, httpHeaders = [] }: HTTPGetAction,
  field: string,
): StatusCause[] {
  return [
    ...(path ? [] : [required(`${field}.path`)]),
    ...validatePort(port, `${field}.port`),
    ...oneOf(`${field}.scheme`, scheme, ['HTTP', 'HTTPS']),
    ...httpHeaders.flatMap(({ name }, index) =>
      /^[-A-Za-z0-9]+$/.test(name ?? '')
        ? []
        : [
            invalid(
              `${field}.httpHeaders[${index}].name`,
              name,
              "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
            ),
          ],
    ),
  ];
}

function validatePort(port: number | string, field: string): StatusCause[] {
  return invalidFor(field, port ?? 0, portReference(port ?? 0));
}
