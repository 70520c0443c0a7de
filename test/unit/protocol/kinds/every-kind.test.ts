import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KindDefinition, KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';
import { findKind, kinds } from '../../../../protocol/kinds/registry.ts';
import { schemas } from '../../../../protocol/schema/schemas.ts';
import { sampleName, sampleOf } from '../../../support/kind-samples.ts';
import { admit, faults } from './admit.ts';

/** The least that each kind accepts. */
const minimal: Record<string, object> = {
  Pod: { spec: { containers: [{ name: 'a', image: 'a' }] } },
  Service: { spec: { ports: [{ port: 80 }] } },
  CustomResourceDefinition: {
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } },
      ],
    },
  },
  Event: { involvedObject: { namespace: 'here' } },
  Deployment: {
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'a' }] } },
    },
  },
  RoleBinding: { roleRef: { kind: 'ClusterRole', name: 'view' } },
  ClusterRoleBinding: { roleRef: { kind: 'ClusterRole', name: 'view' } },
  ReplicaSet: {
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'a' }] } },
    },
  },
};

/** Roles, their bindings and certificate requests are named by whatever can stand in a path. */
const anyNameGroups = new Set(['rbac.authorization.k8s.io', 'certificates.k8s.io']);

function least(kind: KindDefinition, name = sampleName(kind)): KubernetesObject {
  const metadata = { name, uid: 'uid', ...(kind.namespaced && { namespace: 'here' }) };
  return { metadata, ...(sampleOf(kind) ?? minimal[kind.kind]) };
}

const columnsOf = (kind: KindDefinition, priority: number) =>
  kind.columns.filter((column) => (column.priority ?? 0) <= priority).map(({ name }) => name.toUpperCase());

for (const kind of kinds.filter(({ view }) => view === undefined)) {
  test(`${kind.kind}: has a schema, is found by its path and accepts the least it needs`, () => {
    assert.ok(schemas[kind.schema]?.properties?.['metadata']);
    assert.equal(findKind(kind.group, kind.version, kind.plural), kind);
    assert.deepEqual(faults(kind, least(kind)), []);
  });

  test(`${kind.kind}: filling in defaults twice is filling them in once`, () => {
    const once = admit(kind, least(kind));
    const twice = structuredClone(once);
    kind.applyDefaults?.(twice);
    assert.deepEqual(twice, once);
  });

  test(`${kind.kind}: survives an object without anything in every function`, () => {
    const empty: KubernetesObject = { metadata: {} };
    kind.applyDefaults?.(empty);
    kind.prepareCreate?.(empty, { subresource: '', now: 0 });
    kind.validate?.(empty);
    kind.validateUpdate?.(empty, { metadata: {} });
    for (const column of kind.columns) assert.ok(column.value(empty, 0) !== undefined);
    for (const read of Object.values(kind.selectableFields)) assert.equal(typeof read(empty), 'string');
  });

  // These say their name twice; custom objects and their definitions may have finalizers that the others may not.
  if (['APIService', 'CustomResourceDefinition'].includes(kind.kind)) continue;

  test(`${kind.kind}: refuses names, labels, annotations, owners and finalizers that Kubernetes refuses`, () => {
    const object = least(kind, 'Bad_Name');
    object.metadata = {
      ...object.metadata,
      labels: { '-a': 'b', c: 'x y' },
      annotations: { 'a/b/c': '' },
      finalizers: ['mine'],
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: '', uid: 'u' }],
    };
    // A CSI driver's name is looked at once more, as what its nodes call it.
    const causes = faults(kind, object).filter((text) => !text.startsWith('name: '));
    if (!anyNameGroups.has(kind.group))
      assert.match(
        causes.shift() ?? '',
        /^metadata\.name: Invalid value: "Bad_Name": (a |must be a valid IP)/,
      );
    assert.deepEqual(
      causes.map((text) => text.slice(0, text.indexOf(' must') >>> 0)),
      [
        'metadata.labels: Invalid value: "-a": name part',
        'metadata.labels: Invalid value: "x y": a valid label',
        'metadata.annotations: Invalid value: "a/b/c": a qualified name',
        'metadata.ownerReferences[0].name: Invalid value: "":',
        'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
      ],
    );
  });
}

test('columns are those of kubectl get and kubectl get -o wide', () => {
  const tables: Record<string, [string, string]> = {
    namespaces: ['NAME STATUS AGE', ''],
    nodes: [
      'NAME STATUS ROLES AGE VERSION',
      'INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME',
    ],
    pods: ['NAME READY STATUS RESTARTS AGE', 'IP NODE NOMINATED NODE READINESS GATES'],
    configmaps: ['NAME DATA AGE', ''],
    secrets: ['NAME TYPE DATA AGE', ''],
    services: ['NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE', 'SELECTOR'],
    serviceaccounts: ['NAME SECRETS AGE', ''],
    deployments: ['NAME READY UP-TO-DATE AVAILABLE AGE', 'CONTAINERS IMAGES SELECTOR'],
    replicasets: ['NAME DESIRED CURRENT READY AGE', 'CONTAINERS IMAGES SELECTOR'],
    leases: ['NAME HOLDER AGE', ''],
    roles: ['NAME CREATED AT', ''],
    clusterroles: ['NAME CREATED AT', ''],
    rolebindings: ['NAME ROLE AGE', 'USERS GROUPS SERVICEACCOUNTS'],
    clusterrolebindings: ['NAME ROLE AGE', 'USERS GROUPS SERVICEACCOUNTS'],
    endpoints: ['NAME ENDPOINTS AGE', ''],
    limitranges: ['NAME CREATED AT', ''],
    persistentvolumes: [
      'NAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS REASON AGE',
      'VOLUMEMODE',
    ],
    persistentvolumeclaims: [
      'NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE',
      'VOLUMEMODE',
    ],
    podtemplates: ['NAME CONTAINERS IMAGES POD LABELS', ''],
    replicationcontrollers: ['NAME DESIRED CURRENT READY AGE', 'CONTAINERS IMAGES SELECTOR'],
    resourcequotas: ['NAME REQUEST LIMIT AGE', ''],
    controllerrevisions: ['NAME CONTROLLER REVISION AGE', ''],
    daemonsets: [
      'NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE',
      'CONTAINERS IMAGES SELECTOR',
    ],
    statefulsets: ['NAME READY AGE', 'CONTAINERS IMAGES'],
    horizontalpodautoscalers: ['NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE', ''],
    cronjobs: ['NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST SCHEDULE AGE', 'CONTAINERS IMAGES SELECTOR'],
    jobs: ['NAME STATUS COMPLETIONS DURATION AGE', 'CONTAINERS IMAGES SELECTOR'],
    certificatesigningrequests: ['NAME AGE SIGNERNAME REQUESTOR REQUESTEDDURATION CONDITION', ''],
    endpointslices: ['NAME ADDRESSTYPE PORTS ENDPOINTS AGE', ''],
    ingresses: ['NAME CLASS HOSTS ADDRESS PORTS AGE', ''],
    ingressclasses: ['NAME CONTROLLER PARAMETERS AGE', ''],
    networkpolicies: ['NAME POD-SELECTOR AGE', ''],
    runtimeclasses: ['NAME HANDLER AGE', ''],
    poddisruptionbudgets: ['NAME MIN AVAILABLE MAX UNAVAILABLE ALLOWED DISRUPTIONS AGE', ''],
    priorityclasses: ['NAME VALUE GLOBAL-DEFAULT AGE PREEMPTIONPOLICY', ''],
    csidrivers: [
      'NAME ATTACHREQUIRED PODINFOONMOUNT STORAGECAPACITY TOKENREQUESTS REQUIRESREPUBLISH MODES AGE',
      '',
    ],
    csinodes: ['NAME DRIVERS AGE', ''],
    storageclasses: ['NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE', ''],
    volumeattachments: ['NAME ATTACHER PV NODE ATTACHED AGE', ''],
  };
  for (const kind of kinds) {
    const table = tables[kind.plural];
    if (!table) continue;
    assert.equal(columnsOf(kind, 0).join(' '), table[0]);
    assert.equal(columnsOf(kind, 1).join(' '), table.join(' ').trim());
  }
  const events = kinds.find(({ plural }) => plural === 'events');
  assert.ok(events);
  assert.equal(columnsOf(events, 0).join(' '), 'LAST SEEN TYPE REASON OBJECT MESSAGE');
  assert.equal(
    columnsOf(events, 1).join(','),
    'LAST SEEN,TYPE,REASON,OBJECT,SUBOBJECT,SOURCE,MESSAGE,FIRST SEEN,COUNT,NAME',
  );
});

test('no two kinds answer to the same word', () => {
  const words = kinds
    .filter(({ view }) => view === undefined)
    .flatMap(({ plural, singular, shortNames }) => [...new Set([plural, singular, ...shortNames])]);
  assert.equal(new Set(words).size, words.length);
});
