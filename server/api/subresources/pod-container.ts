import type { Pod } from '../../../protocol/generated/models.ts';
import { StatusError } from '../../../protocol/status.ts';

const defaultContainerAnnotation = 'kubectl.kubernetes.io/default-container';

/** The container a client means: the one it names, the pod's default, or the only one. Throws BadRequest. */
export function chooseContainer(pod: Pod, asked: string | null): string {
  const names = (pod.spec?.containers ?? []).map(({ name }) => name);
  const initNames = (pod.spec?.initContainers ?? []).map(({ name }) => name);
  const podName = pod.metadata?.name ?? '';
  const ephemeralNames = (pod.spec?.ephemeralContainers ?? []).map(({ name }) => name);
  const all = [...names, ...initNames, ...ephemeralNames];
  if (asked) {
    if (all.includes(asked)) return asked;
    throw new StatusError('BadRequest', `container ${asked} is not valid for pod ${podName}`);
  }
  const byAnnotation = pod.metadata?.annotations?.[defaultContainerAnnotation];
  if (byAnnotation !== undefined && all.includes(byAnnotation)) return byAnnotation;
  const [only] = names;
  if (only !== undefined && all.length === 1) return only;
  const initChoice = initNames.length === 0 ? '' : ` or one of the init containers: [${initNames.join(' ')}]`;
  throw new StatusError(
    'BadRequest',
    `a container name must be specified for pod ${podName}, choose one of: [${names.join(' ')}]${initChoice}`,
  );
}
