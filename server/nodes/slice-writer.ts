import { type DeviceAttributes, deviceDriver, deviceKinds } from '../../protocol/devices.ts';
import type { Device, DeviceAttribute, Node, ResourceSlice } from '../../protocol/generated/models.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import { resourceSliceKind } from '../../protocol/kinds/resource-slice.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import type { NodeReport } from '../../protocol/topics/sync.ts';
import type { Informer } from '../cache/informer.ts';
import type { Registry } from '../registry/registry.ts';

export interface SliceWriterOptions {
  registry: Registry;
  slices: Informer<ResourceSlice>;
}

/** Both are Kubernetes' limits. */
const devicesMax = 128;
const devicePattern = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const attributePattern = /^[A-Za-z_][A-Za-z0-9_]{0,31}$/;
const textLengthMax = 64;
const attributesMax = 32;

/**
 * Makes the node's ResourceSlices show what its device reported: one a driver, owned by the Node, so that they go with
 * it. Writes nothing when nothing changed. A device speaks for the drivers of this project alone, and for itself.
 */
export async function writeSlices(
  { registry, slices }: SliceWriterOptions,
  node: Readonly<Node>,
  reported: NodeReport['devices'] = [],
): Promise<void> {
  for (const driver of deviceKinds.map(deviceDriver)) {
    const devices = reported
      .filter((one) => one.driver === driver && devicePattern.test(one.name))
      .slice(0, devicesMax)
      .map(({ name, attributes }): Device => ({ name, attributes: attributesOf(attributes) }));
    await writeSlice({ registry, slices }, { node, driver, devices });
  }
}

async function writeSlice(
  { registry, slices }: SliceWriterOptions,
  { node, driver, devices }: { node: Readonly<Node>; driver: string; devices: Device[] },
): Promise<void> {
  const { name: nodeName, uid } = storedMeta(node);
  const name = `${nodeName}-${driver}`;
  const known = slices.get(undefined, name);
  if (devices.length === 0) {
    if (known) await registry.delete(resourceSliceKind, { name }).catch(unless('NotFound'));
    return;
  }
  if (known && sameValue(known.spec.devices, devices) && known.metadata?.ownerReferences?.[0]?.uid === uid)
    return;
  const fresh: ResourceSlice = {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: {
      name,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid, controller: true }],
    },
    spec: { driver, nodeName, pool: { name: nodeName, generation: 1, resourceSliceCount: 1 }, devices },
  };
  try {
    await registry.mutate<ResourceSlice>(resourceSliceKind, { name }, (draft) => {
      const { ownerReferences = [] } = fresh.metadata ?? {};
      draft.metadata = { ...draft.metadata, ownerReferences };
      if (sameValue(draft.spec.devices, devices)) return;
      const { generation } = draft.spec.pool;
      draft.spec = { ...draft.spec, devices, pool: { ...draft.spec.pool, generation: generation + 1 } };
    });
  } catch (error) {
    unless('NotFound')(error);
    await registry.create<ResourceSlice>(resourceSliceKind, fresh);
  }
}

function unless(reason: 'NotFound'): (error: unknown) => void {
  return (error) => {
    if (!isStatus(error, reason)) throw error;
  };
}

function attributesOf(values: DeviceAttributes): Record<string, DeviceAttribute> {
  const entries = Object.entries(values).filter(([name]) => attributePattern.test(name));
  return Object.fromEntries(
    entries.slice(0, attributesMax).map(([name, value]) => [name, attributeOf(value)]),
  );
}

function attributeOf(value: string | number | boolean): DeviceAttribute {
  if (typeof value === 'string') return { string: value.slice(0, textLengthMax) };
  return typeof value === 'boolean' ? { bool: value } : { int: Math.trunc(value) };
}
