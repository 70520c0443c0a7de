import type { Node } from '../../protocol/generated/models.ts';
import { nodeKind } from '../../protocol/kinds/node.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Registry } from '../registry/registry.ts';

/**
 * Which key a node's device has: an annotation of its Node, so that it lives and dies with it. Certificates outlast
 * nodes, and this is what makes an old one worthless.
 */
const keyAnnotation = 'flotilla.dev/public-key-sha256';

export type NameClaim = 'free' | 'same' | 'taken';

/** How a key stands to a node name. A Node without a recorded key is somebody's: taken. */
export async function nameClaim(registry: Registry, node: string, publicKeyHash: string): Promise<NameClaim> {
  const existing = await getNode(registry, node);
  if (!existing) return 'free';
  return existing.metadata?.annotations?.[keyAnnotation] === publicKeyHash ? 'same' : 'taken';
}

/** Records the key as the node's; the Node is made when there is none. False when another key came first. */
export async function claimName(
  registry: Registry,
  node: string,
  { publicKeyHash, force }: { publicKeyHash: string; force: boolean },
): Promise<boolean> {
  if (force) {
    try {
      await recordKey(registry, node, publicKeyHash, true);
      return true;
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }
  const fresh: Node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: node, annotations: { [keyAnnotation]: publicKeyHash } },
  };
  try {
    await registry.create(nodeKind, fresh);
    return true;
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) throw error;
    return (await nameClaim(registry, node, publicKeyHash)) === 'same';
  }
}

/**
 * Whether a device with this key may connect as `node`. A Node that has no key yet takes this one; without a Node any
 * certificate of the CA will do, and the device's hello makes the Node.
 */
export async function ownsName(registry: Registry, node: string, publicKeyHash: string): Promise<boolean> {
  const existing = await getNode(registry, node);
  const recorded = existing?.metadata?.annotations?.[keyAnnotation];
  if (!existing || recorded === publicKeyHash) return true;
  if (recorded !== undefined) return false;
  try {
    const written = await recordKey(registry, node, publicKeyHash, false);
    return written.metadata?.annotations?.[keyAnnotation] === publicKeyHash;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return true;
    throw error;
  }
}

function recordKey(registry: Registry, node: string, publicKeyHash: string, replace: boolean): Promise<Node> {
  return registry.mutate(nodeKind, { name: node }, (draft) => {
    const annotations = ((draft.metadata ??= {}).annotations ??= {});
    if (replace || annotations[keyAnnotation] === undefined) annotations[keyAnnotation] = publicKeyHash;
  });
}

async function getNode(registry: Registry, name: string): Promise<Node | undefined> {
  try {
    return await registry.get(nodeKind, { name });
  } catch (error) {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  }
}
