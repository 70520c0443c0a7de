import type { Pod } from '../../protocol/generated/models.ts';
import type { KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { controllerOf } from '../../protocol/kinds/stored-object.ts';
import type { Informer } from '../cache/informer.ts';

/** Indexes that several controllers share on one informer. */
export interface NamedIndex {
  name: string;
  values(object: Readonly<KubernetesObject>): readonly string[];
}

export const byControllerUid: NamedIndex = {
  name: 'controllerUid',
  values: (object) => {
    const owner = controllerOf(object);
    return owner ? [owner.uid] : [];
  },
};

export const byNamespace: NamedIndex = {
  name: 'namespace',
  values: (object) => [object.metadata?.namespace ?? ''],
};

/** Objects that nobody controls, by namespace: whom a controller may adopt. */
export const orphansByNamespace: NamedIndex = {
  name: 'orphansByNamespace',
  values: (object) => (controllerOf(object) ? [] : [object.metadata?.namespace ?? '']),
};

export const byOwnerUid: NamedIndex = {
  name: 'ownerUid',
  values: (object) => (object.metadata?.ownerReferences ?? []).map((owner) => owner.uid),
};

/** Pods by the node they are bound to. */
export const byNodeName: NamedIndex = {
  name: 'nodeName',
  values: (object) => {
    const node = (object as Pod).spec?.nodeName;
    return node ? [node] : [];
  },
};

/** Adds the index unless another controller has. */
export function addOnce<T extends KubernetesObject>(informer: Informer<T>, index: NamedIndex): void {
  if (!informer.hasIndex(index.name)) informer.addIndex(index.name, (object) => index.values(object));
}
