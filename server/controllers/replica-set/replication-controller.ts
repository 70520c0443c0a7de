import { replicationControllerKind } from '../../../protocol/kinds/replication-controller.ts';
import { defineReplicaController } from './replica-controller.ts';

/** The elder of ReplicaSet: its selector is a map of labels, and it does not count pods on their way out. */
export const replicationController = defineReplicaController({
  name: 'replication',
  kind: replicationControllerKind,
  selectorOf: ({ spec }) => ({ matchLabels: spec?.selector ?? {} }),
  setStatus: (draft, { terminatingReplicas: _terminating, ...status }) => {
    draft.status = status;
  },
});
