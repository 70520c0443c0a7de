import { systemClock } from '../../../../lib/clock.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import type { CustomResourceDefinition } from '../../../../protocol/generated/models.ts';
import {
  customResourceDefinitionKind as definitionKind,
  isEstablished,
} from '../../../../protocol/kinds/custom-resource-definition.ts';
import type { KindDefinition, KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { compileFieldSchemas } from '../../../../protocol/patch/field-schema.ts';
import { schemas } from '../../../../protocol/schema/schemas.ts';
import { isStatus } from '../../../../protocol/status.ts';
import type { StructuralSchema } from '../../../../protocol/structural/structural-schema.ts';
import { createCache } from '../../../../server/cache/create-cache.ts';
import { type Extensions, startExtensions } from '../../../../server/extensions/start-extensions.ts';
import { createOutgoing } from '../../../../server/outgoing/outgoing.ts';
import { createRegistry } from '../../../../server/registry/create-registry.ts';
import type { Registry } from '../../../../server/registry/registry.ts';
import { createMemoryStore } from '../../../../server/store/memory-store.ts';
import { eventually } from '../../../support/eventually.ts';

/** Definitions and their kinds over a store in memory; `restart` begins again with what the store holds. */
export interface ExtensionsFixture extends AsyncDisposable {
  registry: Registry;
  extensions: Extensions;
  restart(): Promise<void>;
  /** Creates a definition and waits until its names are accepted or not. */
  define(definition: CustomResourceDefinition): Promise<CustomResourceDefinition>;
  kind(name: string, version?: string): KindDefinition | undefined;
  /** Waits until the object is not there. */
  gone(kind: KindDefinition, name: string): Promise<void>;
}

export async function openExtensions(): Promise<ExtensionsFixture> {
  const clock = systemClock;
  const log = silentLogger;
  const store = createMemoryStore({ clock });
  const fieldSchemaOf = compileFieldSchemas(schemas);
  const registry = createRegistry({ store, clock, random: seededRandom(1), log, kinds, fieldSchemaOf });
  await registry.create(namespaceKind, { metadata: { name: 'default' } });
  const start = async () => {
    const parts = new AsyncDisposableStack();
    const cache = parts.use(createCache({ registry, clock, log }));
    const random = seededRandom(2);
    const outgoing = parts.use(createOutgoing({ cache, clock, random }));
    const extensions = parts.use(
      await startExtensions({ registry, cache, builtIn: kinds, outgoing, clock, random, log }),
    );
    return { extensions, parts };
  };
  let running = await start();
  const find = (name: string, version?: string) =>
    [...running.extensions.kinds].find(
      (kind) => kind.kind === name && (version === undefined || kind.version === version),
    );
  return {
    registry,
    get extensions() {
      return running.extensions;
    },
    async restart() {
      await running.parts.disposeAsync();
      running = await start();
    },
    async define(definition) {
      const created = await registry.create(definitionKind, definition);
      const { name = '' } = created.metadata ?? {};
      let now = created;
      let asking = false;
      await eventually(() => {
        if (!asking) {
          asking = true;
          void registry.get(definitionKind, { name }).then((found) => {
            now = found;
            asking = false;
          });
        }
        return (
          isEstablished(now) || now.status?.conditions?.some(({ status }) => status === 'False') === true
        );
      }, `${name} is looked at`);
      return now;
    },
    kind: find,
    async gone(kind, name) {
      let isGone = false;
      await eventually(() => {
        const at = kind.namespaced ? { namespace: 'default', name } : { name };
        void registry.get(kind, at).catch((error: unknown) => (isGone = isStatus(error, 'NotFound')));
        return isGone;
      }, `${name} is gone`);
    },
    async [Symbol.asyncDispose]() {
      await running.parts.disposeAsync();
      await store[Symbol.asyncDispose]();
    },
  };
}

export interface Gadget extends KubernetesObject {
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
}

/** A definition of `<kind>` in example.com with a status and this schema of its spec. */
export function definitionOf(
  kind: string,
  spec: StructuralSchema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  names: object = {},
): CustomResourceDefinition {
  const plural = `${kind.toLowerCase()}s`;
  const schema = {
    type: 'object',
    properties: { spec, status: { type: 'object', properties: { n: { type: 'integer' } } } },
  };
  return {
    metadata: { name: `${plural}.example.com` },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural, kind, ...names },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: schema },
          subresources: { status: {} },
        },
      ],
    },
  };
}
