import { type StatusCause, StatusError } from '../../../protocol/status.ts';
import type { LogsRequest } from '../../../protocol/topics/streams.ts';
import { invalid } from '../../registry/failures.ts';

type LogBounds = Pick<LogsRequest, 'tailLines' | 'limitBytes' | 'sinceSeconds' | 'sinceMs' | 'stream'>;

const streams: Readonly<Record<string, 'stdout' | 'stderr'>> = { Stdout: 'stdout', Stderr: 'stderr' };

/**
 * The bounds of a log that a client asks for, checked as Kubernetes does (source: k8s.io/kubernetes/pkg/apis/core,
 * ValidatePodLogOptions). Throws Invalid, or BadRequest for what is no number or time.
 */
export function logBounds(query: URLSearchParams, pod: string): LogBounds {
  const [tailLines, limitBytes, seconds] = ['tailLines', 'limitBytes', 'sinceSeconds'].map((name) =>
    readInteger(query, name),
  );
  const sinceMs = readTime(query, 'sinceTime');
  const stream = query.get('stream') || 'All';
  const causes: StatusCause[] = [];
  if (tailLines !== undefined && tailLines < 0)
    causes.push(wrong('tailLines', tailLines, 'must be greater than or equal to 0'));
  if (limitBytes !== undefined && limitBytes < 1)
    causes.push(wrong('limitBytes', limitBytes, 'must be greater than 0'));
  if (seconds !== undefined && sinceMs !== undefined)
    causes.push(exclusive('at most one of `sinceTime` or `sinceSeconds` may be specified'));
  else if (seconds !== undefined && seconds < 1)
    causes.push(wrong('sinceSeconds', seconds, 'must be greater than 0'));
  if (stream !== 'All' && !Object.hasOwn(streams, stream))
    causes.push({
      reason: 'FieldValueNotSupported',
      field: 'stream',
      message: `Unsupported value: ${JSON.stringify(stream)}: supported values: "All", "Stderr", "Stdout"`,
    });
  if (stream !== 'All' && tailLines !== undefined)
    causes.push(exclusive('`tailLines` and specific `stream` are mutually exclusive for now'));
  if (causes.length > 0) throw invalid({ group: '', kind: 'PodLogOptions', plural: '' }, pod, causes);
  return {
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(seconds === undefined ? {} : { sinceSeconds: seconds }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(streams[stream] ? { stream: streams[stream] } : {}),
  };
}

function wrong(field: string, value: number, why: string): StatusCause {
  return { reason: 'FieldValueInvalid', field, message: `Invalid value: ${value}: ${why}` };
}

function exclusive(why: string): StatusCause {
  return { reason: 'FieldValueForbidden', field: '[]', message: `Forbidden: ${why}` };
}

function readInteger(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name) ?? '';
  if (text === '') return undefined;
  if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
  throw new StatusError(
    'BadRequest',
    `${name}: Invalid value: ${JSON.stringify(text)}: must be a whole number`,
  );
}

function readTime(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name) ?? '';
  if (text === '') return undefined;
  const timeMs = Date.parse(text);
  if (!Number.isNaN(timeMs)) return timeMs;
  throw new StatusError('BadRequest', `${name}: Invalid value: ${JSON.stringify(text)}`);
}
