import type { ComponentStatus } from '../../protocol/generated/models.ts';
import { componentStatusKind } from '../../protocol/kinds/component-status.ts';
import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import { notFound } from '../registry/failures.ts';
import type { ResourceExchange, ResourceHandler } from './exchange.ts';
import type { HealthCheck } from './health.ts';
import { addWarning, sendKindObject } from './response/answer.ts';
import { sendList } from './verbs/list.ts';

/** Kubernetes' names of the parts, by the health check that tells of them here. */
const components: Readonly<Record<string, readonly string[]>> = {
  store: ['etcd-0'],
  'informer-sync': ['controller-manager', 'scheduler'],
  bus: ['bus'],
};

/** Undefined for every other kind. */
export function componentHandler(kind: KindDefinition, verb: string): ResourceHandler | undefined {
  if (kind.plural !== componentStatusKind.plural || kind.group !== componentStatusKind.group)
    return undefined;
  return verb === 'get' ? getComponent : listComponents;
}

async function listComponents(exchange: ResourceExchange): Promise<void> {
  addWarning(exchange, deprecation);
  await sendList(exchange, async () => ({ items: await readComponents(exchange), resourceVersion: '' }));
}

async function getComponent(exchange: ResourceExchange): Promise<void> {
  const { name = '' } = exchange.info;
  addWarning(exchange, deprecation);
  const found = (await readComponents(exchange)).find(({ metadata }) => metadata?.name === name);
  if (!found) throw notFound(componentStatusKind, name);
  await sendKindObject(exchange, 200, found);
}

const deprecation = 'v1 ComponentStatus is deprecated in v1.19+';

async function readComponents({ services }: ResourceExchange): Promise<ComponentStatus[]> {
  const known = services.checks.filter(({ name }) => Object.hasOwn(components, name));
  const read = await Promise.all(
    known.map(async (check) => {
      const condition = await conditionOf(check);
      return (components[check.name] ?? []).map((name) => ({ metadata: { name }, conditions: [condition] }));
    }),
  );
  return read.flat().sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

async function conditionOf(health: HealthCheck) {
  try {
    await health.check();
    return { type: 'Healthy', status: 'True', message: 'ok' };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return { type: 'Healthy', status: 'False', message: words };
  }
}
