import { realpath } from 'node:fs/promises';
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimVolumeSource,
  PersistentVolumeSpec,
  Pod,
} from '../../protocol/generated/models.ts';
import { matchesNodeTerm } from '../../protocol/node-selection.ts';
import { csiDrivers } from './csi/csi-driver.ts';
import { checkHostPath } from './host-path.ts';
import { mountNfs } from './nfs.ts';
import { applyFsGroup } from './ownership.ts';
import type { PreparedVolume, VolumeContext, VolumePlugin } from './volume-plugin.ts';

/** A claim as the server sends it: with the volume it is bound to. */
type BoundClaim = PersistentVolumeClaim & { volume?: PersistentVolume };

/** Volumes that outlive their pods. The claim's entry in the desired set carries the volume it is bound to. */
export const claimVolume: VolumePlugin<PersistentVolumeClaimVolumeSource> = {
  field: 'persistentVolumeClaim',
  inputs: ({ claimName }, pod) => [claimKey(pod, claimName)],
  prepare: ({ claimName, readOnly }, context) => prepareClaim(claimName, readOnly ?? false, context),
};

/** As a claim that the server makes for this pod alone; it is named for the pod and the volume. */
export const ephemeralVolume: VolumePlugin<object> = {
  field: 'ephemeral',
  inputs: (_source, pod) => ephemeralNames(pod).map((name) => claimKey(pod, name)),
  prepare: (_source, context) =>
    prepareClaim(`${context.pod.metadata?.name ?? ''}-${context.name}`, false, context),
};

function ephemeralNames({ metadata, spec }: Pod): string[] {
  const ephemeral = (spec?.volumes ?? []).filter((volume) => volume.ephemeral !== undefined);
  return ephemeral.map(({ name }) => `${metadata?.name ?? ''}-${name}`);
}

function claimKey({ metadata }: Pod, name: string): string {
  return `PersistentVolumeClaim/${metadata?.namespace ?? ''}/${name}`;
}

async function prepareClaim(
  name: string,
  readOnly: boolean,
  context: VolumeContext,
): Promise<PreparedVolume> {
  const { pod, node } = context;
  const what = `${pod.metadata?.namespace ?? ''}/${name}`;
  const claim: BoundClaim | undefined = node.find(claimKey(pod, name));
  if (!claim) throw new Error(`error processing PVC ${what}: persistentvolumeclaim "${name}" not found`);
  if (claim.status?.phase !== 'Bound' || !claim.volume)
    throw new Error(`error processing PVC ${what}: PVC is not bound`);
  const { spec = {}, metadata } = claim.volume;
  requireReachable(spec, context);
  if (spec.volumeMode === 'Block') {
    const device = await blockDevice(spec, metadata?.name ?? '');
    return { path: device, readOnly, block: true };
  }
  const path = await publish(spec, context);
  return { path, readOnly: readOnly || isReadOnly(spec) };
}

/** A local volume that is a device; by its own name, as links like /dev/disk/by-id mean nothing to a container. */
async function blockDevice({ local }: PersistentVolumeSpec, name: string): Promise<string> {
  if (!local)
    throw new Error(`volume "${name}" has volumeMode Block, which this node has of local volumes only`);
  await checkHostPath(local.path, 'BlockDevice');
  return realpath(local.path);
}

function requireReachable({ nodeAffinity }: PersistentVolumeSpec, { node }: VolumeContext): void {
  const terms = nodeAffinity?.required?.nodeSelectorTerms;
  if (!terms) return;
  const facts = { name: node.name, labels: node.labels() };
  if (!terms.some((term) => matchesNodeTerm(term, facts)))
    throw new Error('MountVolume.NodeAffinity check failed: no matching NodeSelectorTerms');
}

async function publish(spec: PersistentVolumeSpec, context: VolumeContext): Promise<string> {
  const { hostPath, local, nfs, csi } = spec;
  if (hostPath) {
    await checkHostPath(hostPath.path, hostPath.type ?? '');
    return hostPath.path;
  }
  if (local) {
    await checkHostPath(local.path, 'Directory').catch((cause: unknown) => {
      throw new Error(`path "${local.path}" does not exist`, { cause });
    });
    await applyFsGroup(local.path, context);
    return local.path;
  }
  if (nfs) return mountNfs(nfs, spec.mountOptions, context);
  if (!csi) throw new Error('this node cannot mount a PersistentVolume of this kind');
  const driver = csiDrivers.find(({ name }) => name === csi.driver);
  if (!driver) throw new Error(`driver name ${csi.driver} not found in the list of registered CSI drivers`);
  const path = await driver.publish(csi, context);
  await applyFsGroup(path, context);
  return path;
}

function isReadOnly({ csi, nfs }: PersistentVolumeSpec): boolean {
  return csi?.readOnly === true || nfs?.readOnly === true;
}
