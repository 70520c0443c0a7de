import { replicaSetKind } from '../../../protocol/kinds/replica-set.ts';
import { defineReplicaController } from './replica-controller.ts';

export const replicaSetController = defineReplicaController({
  name: 'replicaset',
  kind: replicaSetKind,
  selectorOf: ({ spec }) => spec?.selector,
  setStatus: (draft, status) => {
    draft.status = status;
  },
});
