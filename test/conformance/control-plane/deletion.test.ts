import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { configMapKind } from '../../../protocol/kinds/config-map.ts';
import type { KubernetesObject, OwnerReference } from '../../../protocol/kinds/define-kind.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { namespaceKind } from '../../../protocol/kinds/namespace.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { kinds } from '../../../protocol/kinds/registry.ts';
import { replicaSetKind } from '../../../protocol/kinds/replica-set.ts';
import { serviceAccountKind } from '../../../protocol/kinds/service-account.ts';
import { sampleOf } from '../../support/kind-samples.ts';
import { ControlPlane, isReady } from './control-plane.ts';
import { deployment, pod, untilRolledOut } from './workloads.ts';

const web = { namespace: 'default', name: 'web' };

async function withDeployment(): Promise<ControlPlane> {
  const plane = await ControlPlane.start();
  await plane.registry.create(deploymentKind, deployment('web', { replicas: 3 }));
  await untilRolledOut(plane, 'web');
  return plane;
}

/** Remembers in which order objects of these kinds went. */
function watchEnds(plane: ControlPlane, signal: AbortSignal): string[] {
  const ends: string[] = [];
  for (const kind of [deploymentKind, replicaSetKind, podKind]) {
    void (async () => {
      const { resourceVersion } = plane.registry;
      for await (const change of plane.registry.watch<KubernetesObject>(kind, { resourceVersion, signal })) {
        if (change.type === 'DELETED') ends.push(kind.kind);
      }
    })();
  }
  return ends;
}

/** A ConfigMap that is owned by others, as an operator makes them. */
async function configMap(
  plane: ControlPlane,
  name: string,
  owners: OwnerReference[] = [],
): Promise<OwnerReference> {
  const created = await plane.registry.create(configMapKind, {
    metadata: { name, namespace: 'default', ...(owners.length > 0 ? { ownerReferences: owners } : {}) },
  });
  return { apiVersion: 'v1', kind: 'ConfigMap', name, uid: created.metadata?.uid ?? '' };
}

suite('deleting with --cascade', () => {
  test('background: the owner goes at once, everything below it soon', async () => {
    await using plane = await withDeployment();
    const abort = new AbortController();
    const ends = watchEnds(plane, abort.signal);
    await plane.registry.delete(deploymentKind, web, { propagationPolicy: 'Background' });
    assert.equal(await plane.find(deploymentKind, 'web'), undefined);
    await plane.until('all is gone', () => ends.length === 5);
    abort.abort();
    assert.deepEqual(ends.slice(0, 2), ['Deployment', 'ReplicaSet']);
  });

  test('foreground: the owner goes last', async () => {
    await using plane = await withDeployment();
    const abort = new AbortController();
    const ends = watchEnds(plane, abort.signal);
    await plane.registry.delete(deploymentKind, web, { propagationPolicy: 'Foreground' });
    assert.ok((await plane.find(deploymentKind, 'web'))?.metadata?.deletionTimestamp);
    await plane.until('all is gone', () => ends.length === 5);
    abort.abort();
    assert.deepEqual(ends, ['Pod', 'Pod', 'Pod', 'ReplicaSet', 'Deployment']);
  });

  test('orphan: what is below stays, without its owner', async () => {
    await using plane = await withDeployment();
    const before = await plane.podUids();
    await plane.registry.delete(deploymentKind, web, { propagationPolicy: 'Orphan' });
    await plane.until('the Deployment is gone', async () => !(await plane.find(deploymentKind, 'web')));
    await plane.untilQuiet();
    const [set, ...others] = (await plane.registry.list(replicaSetKind)).items;
    assert.equal(others.length, 0);
    assert.equal(set?.metadata?.ownerReferences, undefined);
    assert.deepEqual(await plane.podUids(), before);
  });
});

test('an orphaned dependent survives also when no cache had seen it yet', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    await using plane = await ControlPlane.start([], seed);
    const owner = await configMap(plane, 'owner');
    await plane.untilQuiet();
    const metadata = { name: 'child', namespace: 'default', ownerReferences: [owner] };
    await plane.registry.create(serviceAccountKind, { metadata });
    await plane.registry.delete(
      configMapKind,
      { namespace: 'default', name: 'owner' },
      { propagationPolicy: 'Orphan' },
    );
    await plane.untilQuiet();
    assert.equal(await plane.find(configMapKind, 'owner'), undefined);
    assert.ok(await plane.find(serviceAccountKind, 'child'), `seed ${seed}`);
  }
});

suite('owners', () => {
  test('that are gone when their dependent comes take it with them', async () => {
    await using plane = await ControlPlane.start();
    await configMap(plane, 'late', [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'never', uid: 'none' }]);
    await plane.until('it is collected', async () => !(await plane.find(configMapKind, 'late')));
  });

  test('in whatever order they go: the dependent stays until the last is gone', async () => {
    await using plane = await ControlPlane.start();
    const owners = [
      await configMap(plane, 'one'),
      await configMap(plane, 'two'),
      await configMap(plane, 'three'),
    ];
    await configMap(plane, 'shared', owners);
    for (const [gone, name] of ['two', 'three', 'one'].entries()) {
      assert.equal((await plane.find(configMapKind, 'shared'))?.metadata?.ownerReferences?.length, 3 - gone);
      await plane.registry.delete(configMapKind, { namespace: 'default', name });
      await plane.untilQuiet();
    }
    assert.equal(await plane.find(configMapKind, 'shared'), undefined);
  });

  test('of the same name but another uid do not count', async () => {
    await using plane = await ControlPlane.start();
    const old = await configMap(plane, 'owner');
    await configMap(plane, 'child', [old]);
    await plane.registry.delete(configMapKind, { namespace: 'default', name: 'owner' });
    await configMap(plane, 'owner');
    await plane.until('the child is collected', async () => !(await plane.find(configMapKind, 'child')));
    assert.ok(await plane.find(configMapKind, 'owner'));
  });

  test('of no namespace own what is in one; of an unknown kind they are left alone', async () => {
    await using plane = await ControlPlane.start();
    const node = await plane.find(nodeKind, 'a');
    const nodeOwner = { apiVersion: 'v1', kind: 'Node', name: 'a', uid: node?.metadata?.uid ?? '' };
    await configMap(plane, 'of-node', [nodeOwner]);
    await configMap(plane, 'of-stranger', [
      { apiVersion: 'x.dev/v1', kind: 'Stranger', name: 's', uid: 's' },
    ]);
    await plane.untilQuiet();
    assert.ok(await plane.find(configMapKind, 'of-node'));
    await plane.registry.delete(nodeKind, { name: 'a' });
    await plane.until('it follows its node', async () => !(await plane.find(configMapKind, 'of-node')));
    assert.ok(await plane.find(configMapKind, 'of-stranger'));
  });

  test('in a namespace cannot own what is in none, nor what is in another', async () => {
    await using plane = await ControlPlane.start();
    const owner = await configMap(plane, 'owner');
    await plane.registry.create(namespaceKind, { metadata: { name: 'owned', ownerReferences: [owner] } });
    await plane.registry.create(namespaceKind, { metadata: { name: 'other' } });
    const abroad = { name: 'abroad', namespace: 'other', ownerReferences: [owner] };
    await plane.registry.create(configMapKind, { metadata: abroad });
    await plane.until('one is collected', async () => {
      const { items } = await plane.registry.list(configMapKind, { namespace: 'other' });
      return items.length === 0;
    });
    await plane.registry.delete(configMapKind, { namespace: 'default', name: 'owner' });
    await plane.untilQuiet();
    assert.ok(await plane.find(namespaceKind, 'owned'), 'nobody can say that its owner is gone');
  });

  test('that own each other go together in the foreground', async () => {
    await using plane = await ControlPlane.start();
    const a = { ...(await configMap(plane, 'a')), blockOwnerDeletion: true };
    const b = { ...(await configMap(plane, 'b', [a])), blockOwnerDeletion: true };
    await plane.registry.mutate(configMapKind, { namespace: 'default', name: 'a' }, (draft) => {
      if (draft.metadata) draft.metadata.ownerReferences = [b];
    });
    await plane.untilQuiet();
    await plane.registry.delete(
      configMapKind,
      { namespace: 'default', name: 'a' },
      { propagationPolicy: 'Foreground' },
    );
    await plane.until(
      'both are gone',
      async () => (await plane.registry.list(configMapKind)).items.length === 0,
    );
  });

  test('being deleted in the foreground do not wait for a dependent that does not block', async () => {
    await using plane = await ControlPlane.start();
    const owner = await configMap(plane, 'owner');
    await configMap(plane, 'child', [owner]);
    await plane.registry.mutate(configMapKind, { namespace: 'default', name: 'child' }, (draft) => {
      if (draft.metadata) draft.metadata.finalizers = ['example.dev/hold'];
    });
    await plane.untilQuiet();
    const at = { namespace: 'default', name: 'owner' };
    await plane.registry.delete(configMapKind, at, { propagationPolicy: 'Foreground' });
    await plane.until('the owner is gone', async () => !(await plane.find(configMapKind, 'owner')));
    await plane.until('the child waits', async () =>
      Boolean((await plane.find(configMapKind, 'child'))?.metadata?.deletionTimestamp),
    );
  });
});

suite('a namespace', () => {
  test('has a default ServiceAccount, also after that was deleted', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(namespaceKind, { metadata: { name: 'team' } });
    const account = { namespace: 'team', name: 'default' };
    const exists = async () =>
      (await plane.registry.list(serviceAccountKind, { namespace: 'team' })).items.length === 1;
    await plane.until('it is there', exists);
    await plane.registry.delete(serviceAccountKind, account);
    await plane.until('it is back', exists);
  });

  test('goes with all its content, says what it waits for, and lets nothing new in', async () => {
    await using plane = await ControlPlane.start();
    const { registry } = plane;
    await registry.create(namespaceKind, { metadata: { name: 'team' } });
    const inTeam = deployment('web', { replicas: 4 });
    inTeam.metadata = { ...inTeam.metadata, namespace: 'team' };
    await registry.create(deploymentKind, inTeam);
    for (let index = 0; index < 700; index += 1) {
      await registry.create(configMapKind, { metadata: { name: `c${index}`, namespace: 'team' } });
    }
    await plane.until('it runs', async () => (await plane.pods()).filter(isReady).length === 4);
    await plane.setReady('a', 'Unknown');
    await registry.delete(namespaceKind, { name: 'team' });
    let refused = 0;
    const condition = async () =>
      (await plane.find(namespaceKind, 'team'))?.status?.conditions?.find(
        ({ type }) => type === 'NamespaceContentRemaining',
      );
    await plane.until('only the silent device holds it up', async () => {
      const late = { metadata: { generateName: 'late-', namespace: 'team' } };
      await registry.create(configMapKind, late).catch(() => (refused += 1));
      return (await condition())?.message?.includes('pods has') ?? false;
    });
    assert.ok(refused > 0);
    await plane.until('the other pods are gone, and the namespace says so', async () => {
      const left = await plane.pods();
      const said =
        (await condition())?.message?.includes(`pods has ${left.length} resource instances`) ?? false;
      return said && left.length > 0 && left.every(({ spec }) => spec?.nodeName === 'a');
    });
    await plane.untilQuiet();
    const { revision } = plane.store;
    await plane.clock.advance(50_000);
    assert.equal(plane.store.revision, revision, 'waiting writes nothing');
    await plane.setReady('a', 'True');
    await plane.until('it is gone', async () => !(await plane.find(namespaceKind, 'team')), 1_000);
    assert.equal((await plane.pods()).length, 0);
  });
});

test('a pod that was never bound is deleted at once, one on a device when that confirms', async () => {
  await using plane = await ControlPlane.start(['a']);
  await plane.registry.create(podKind, pod('big', '99'));
  await plane.registry.create(podKind, pod('small'));
  await plane.until('the small one runs', async () => isReady((await plane.find(podKind, 'small')) ?? {}));
  await plane.setReady('a', 'Unknown');
  for (const name of ['big', 'small']) await plane.registry.delete(podKind, { namespace: 'default', name });
  assert.equal(await plane.find(podKind, 'big'), undefined);
  await plane.untilQuiet();
  assert.ok(await plane.find(podKind, 'small'), 'presumed running');
  await plane.setReady('a', 'True');
  await plane.until('it is gone', async () => !(await plane.find(podKind, 'small')));
});

test('a namespace takes an object of every kind with it', async () => {
  await using plane = await ControlPlane.start();
  await plane.registry.create(namespaceKind, { metadata: { name: 'full' } });
  const sampled = kinds.filter((kind) => kind.namespaced && sampleOf(kind) && kind.kind !== 'Event');
  for (const kind of sampled) {
    const name = `of-${kind.version}`;
    await plane.registry.create(kind, { metadata: { namespace: 'full', name }, ...sampleOf(kind) });
  }
  await plane.untilQuiet();
  await plane.registry.delete(namespaceKind, { name: 'full' });
  await plane.until('the namespace is gone', async () => !(await plane.find(namespaceKind, 'full')));
  for (const kind of sampled) {
    assert.deepEqual((await plane.registry.list(kind, { namespace: 'full' })).items, [], kind.kind);
  }
});
