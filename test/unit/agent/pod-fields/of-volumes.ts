import type { Volume } from '../../../../protocol/generated/models.ts';
import { actedOn, app, nothing, type Row, readBy, refused, wholly } from './fates.ts';

const content = 'agent/volumes/content.ts';
const files = (under: string) => [
  ...readBy(content, `${under}.items`, 'key', 'path', 'mode'),
  ...readBy(content, under, 'optional'),
];
const facts = (under: string): Row[] => [
  ...readBy(content, under, 'path', 'mode', 'fieldRef.fieldPath'),
  { path: `${under}.fieldRef.apiVersion`, fate: nothing('there is one version of a pod') },
  ...readBy('agent/pods/environment.ts', `${under}.resourceFieldRef`, 'containerName', 'divisor', 'resource'),
];

const fromObjects: Row[] = [
  ...files('volumes.configMap'),
  ...readBy(content, 'volumes.configMap', 'name'),
  ...files('volumes.secret'),
  ...readBy('agent/volumes/content-volumes.ts', 'volumes.secret', 'secretName'),
  ...['configMap', 'secret', 'downwardAPI', 'projected'].flatMap((kind) =>
    readBy('agent/volumes/content-volumes.ts', `volumes.${kind}`, 'defaultMode'),
  ),
  ...facts('volumes.downwardAPI.items'),
  ...['configMap', 'secret'].flatMap((kind) => [
    ...files(`volumes.projected.sources.${kind}`),
    ...readBy(content, `volumes.projected.sources.${kind}`, 'name'),
  ]),
  ...facts('volumes.projected.sources.downwardAPI.items'),
  ...readBy(
    content,
    'volumes.projected.sources.serviceAccountToken',
    'audience',
    'expirationSeconds',
    'path',
  ),
  ...['clusterTrustBundle', 'podCertificate'].map((kind) => {
    const volumes = [{ name: 'v', projected: { sources: [{ [kind]: { path: 'x' } }] } }] as Volume[];
    return wholly(
      `volumes.projected.sources.${kind}`,
      refused({ volumes }, new RegExp(`volume "v" projects a ${kind}, which nobody issues here`)),
    );
  }),
];

const others: Row[] = [
  ...readBy('agent/volumes/pod-volumes.ts', 'volumes', 'name'),
  ...readBy('agent/volumes/empty-dir.ts', 'volumes.emptyDir', 'medium', 'sizeLimit'),
  ...readBy('agent/volumes/host-path.ts', 'volumes.hostPath', 'path', 'type'),
  ...readBy('agent/volumes/nfs.ts', 'volumes.nfs', 'path', 'readOnly', 'server'),
  ...readBy('agent/volumes/claims.ts', 'volumes.persistentVolumeClaim', 'claimName', 'readOnly'),
  wholly('volumes.ephemeral.volumeClaimTemplate', {
    is: 'read',
    source: 'server/controllers/persistent-volumes/ephemeral-claims.ts',
  }),
];

const artifact = (image: object) => ({
  volumes: [{ name: 'v', image }],
  ...app({ volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
});
const images: Row[] = [
  actedOn('volumes.image.reference', artifact({ reference: 'b:1' }), artifact({ reference: 'a:1' })),
  actedOn(
    'volumes.image.pullPolicy',
    artifact({ reference: 'a:1', pullPolicy: 'Always' }),
    artifact({ reference: 'a:1' }),
  ),
].map((row) => ({ ...row, process: refused(artifact({ reference: 'a:1' }), /cannot mount: image/) }));

/** In the words of admission, before anything of the pod is begun. */
const absent: Row[] = [
  'awsElasticBlockStore',
  'azureDisk',
  'azureFile',
  'cephfs',
  'cinder',
  'csi',
  'fc',
  'flexVolume',
  'flocker',
  'gcePersistentDisk',
  'gitRepo',
  'glusterfs',
  'iscsi',
  'photonPersistentDisk',
  'portworxVolume',
  'quobyte',
  'rbd',
  'scaleIO',
  'storageos',
  'vsphereVolume',
].map((kind) => {
  const volumes = [{ name: 'v', [kind]: {} }] as Volume[];
  return wholly(`volumes.${kind}`, refused({ volumes }, new RegExp(`cannot mount: ${kind}`)));
});

export const volumeRows: readonly Row[] = [...fromObjects, ...others, ...images, ...absent];
