import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { until } from './support/programs.ts';

/** What a StatefulSet keeps in its claims, whatever goes and comes, with the real kubectl. */
describe('the data of a StatefulSet', { timeout: 200_000 }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];
  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await cluster.addNodes(['one', 'two']);
  });
  after(async () => {
    for (const task of ending) await task();
  });

  const file = () => join(cluster.directory, 'mounts/data/file');
  const run = (pod: string, script: string) => cluster.ok(['exec', pod, '--', 'sh', '-c', script]);
  const facts = async (pod: string) => {
    const path = 'jsonpath={.metadata.uid} {.spec.nodeName} {.status.containerStatuses[0].restartCount}';
    const [uid = '', node = '', restarts = ''] = (await cluster.ok(['get', 'pod', pod, '-o', path])).split(
      ' ',
    );
    return { uid, node, restarts };
  };
  const rolledOut = () => cluster.ok(['rollout', 'status', 'statefulset/db', '--timeout=60s']);
  const dataOf = async () => [await run('db-0', `cat ${file()}`), await run('db-1', `cat ${file()}`)];

  test('each pod has its own, through replacement, scaling, a killed agent and a killed server', async () => {
    await cluster.apply(statefulSet(join(cluster.directory, 'mounts/data')));
    await rolledOut();
    for (const pod of ['db-0', 'db-1']) await run(pod, `echo of ${pod} > ${file()}`);
    const kept = ['of db-0\n', 'of db-1\n'];

    const first = await facts('db-0');
    await cluster.ok(['delete', 'pod', 'db-0', '--timeout=40s']);
    await until('db-0 is another', async () => {
      const { stdout } = await cluster.kubectl(['get', 'pod', 'db-0', '-o', 'jsonpath={.metadata.uid}']);
      return stdout !== '' && stdout !== first.uid;
    });
    await rolledOut();
    const second = await facts('db-0');
    assert.equal(second.node, first.node, 'it goes where its data is');
    assert.deepEqual(await dataOf(), kept, 'after the pod was replaced');

    await cluster.agents.get(second.node)?.kill('SIGKILL');
    await cluster.killServer();
    await cluster.startServer();
    await cluster.startAgent(second.node);
    await until('data after agent and server were killed', async () =>
      dataOf().then(
        (found) => found.join() === kept.join(),
        () => false,
      ),
    );
    assert.deepEqual(await facts('db-0'), second, 'nothing restarted');

    await cluster.ok(['scale', 'statefulset', 'db', '--replicas=0']);
    await cluster.ok(['wait', '--for=delete', 'pod/db-0', 'pod/db-1', '--timeout=40s']);
    assert.match(await cluster.ok(['get', 'pvc']), /data-db-0 +Bound[^]*data-db-1 +Bound/);
    await cluster.ok(['scale', 'statefulset', 'db', '--replicas=2']);
    await rolledOut();
    assert.deepEqual(await dataOf(), kept, 'after the set was scaled to nothing and back');
    await cluster.ok(['delete', 'statefulset', 'db']);
  });
});

function statefulSet(mountPath: string): string {
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db' },
    spec: {
      serviceName: 'db',
      replicas: 2,
      selector: { matchLabels: { app: 'db' } },
      template: {
        metadata: { labels: { app: 'db' } },
        spec: {
          runtimeClassName: 'process',
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: 'db',
              image: 'host',
              command: ['sh', '-c', 'trap "exit 0" TERM; while true; do sleep 1 & wait $!; done'],
              volumeMounts: [{ name: 'data', mountPath }],
            },
          ],
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '16Mi' } } },
        },
      ],
    },
  });
}
