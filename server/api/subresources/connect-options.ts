import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { isTrue } from '../request/request-info.ts';

/** What a client asked to be connected to, as admission sees it (source: k8s.io/api/core/v1, PodExecOptions and its like). */
export function commandOptions(
  kind: 'PodExecOptions' | 'PodAttachOptions',
): (query: URLSearchParams) => KubernetesObject {
  return (query) => {
    const asked = (name: string) => isTrue(query.get(name));
    const options = {
      apiVersion: 'v1',
      kind,
      stdin: asked('stdin'),
      stdout: asked('stdout'),
      stderr: asked('stderr'),
      tty: asked('tty'),
      container: query.get('container') ?? '',
      ...(kind === 'PodExecOptions' ? { command: query.getAll('command') } : {}),
    };
    return options;
  };
}

export function portForwardOptions(query: URLSearchParams): KubernetesObject {
  const ports = query.getAll('ports').flatMap((text) => text.split(',').map(Number));
  const options = { apiVersion: 'v1', kind: 'PodPortForwardOptions', ...(ports.length > 0 ? { ports } : {}) };
  return options;
}

/** `rest` is what stands behind the name of the subresource. */
export function proxyOptions(kind: string, rest: string): KubernetesObject {
  const path = rest.replace(/^\//, '');
  const options = { apiVersion: 'v1', kind, ...(path === '' ? {} : { path }) };
  return options;
}
