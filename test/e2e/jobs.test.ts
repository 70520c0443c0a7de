import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { until } from './support/programs.ts';

/** Lines of a pod template that runs `script` as a process, indented for a Job. */
function template(script: string): string[] {
  return [
    'template:',
    '  spec:',
    '    runtimeClassName: process',
    '    restartPolicy: Never',
    '    terminationGracePeriodSeconds: 2',
    '    containers:',
    '    - name: main',
    '      image: host',
    '      imagePullPolicy: Never',
    `      command: ["/bin/sh", "-c", ${JSON.stringify(script)}]`,
  ];
}

function job(name: string, script: string, lines: readonly string[] = []): string {
  const spec = [...lines, ...template(script)].map((line) => `  ${line}`);
  return ['apiVersion: batch/v1', 'kind: Job', `metadata: {name: ${name}}`, 'spec:', ...spec, ''].join('\n');
}

suite('jobs, with kubectl', { timeout: 200_000 }, () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await Cluster.start({ after: () => undefined });
    await cluster.addNodes(['a', 'b']);
  });
  after(() => cluster.stop());

  const field = (what: string, path: string) =>
    cluster.ok(['get', ...what.split(' '), '-o', `jsonpath=${path}`]);

  test('an indexed Job does each index once, an index that fails fails alone, and it ends with its time to live', async () => {
    const lines = [
      'completionMode: Indexed',
      'completions: 4',
      'parallelism: 2',
      'backoffLimitPerIndex: 0',
      'ttlSecondsAfterFinished: 3',
    ];
    await cluster.apply(
      job('each', 'echo "index $JOB_COMPLETION_INDEX"; test $JOB_COMPLETION_INDEX != 2', lines),
    );
    await cluster.ok(['wait', 'job/each', '--for=condition=Failed', '--timeout=60s']);
    assert.equal(await field('job each', '{.status.completedIndexes} {.status.failedIndexes}'), '0-1,3 2');
    assert.equal(await field('job each', '{.status.succeeded} {.status.failed}'), '3 1');
    assert.match(await cluster.ok(['describe', 'job', 'each']), /FailedIndexes.*Job has failed indexes/);
    assert.match(await cluster.ok(['logs', '-l', 'batch.kubernetes.io/job-completion-index=3']), /index 3/);
    await until('it is gone with its pods', async () => {
      const left = await cluster.ok(['get', 'job,pods', '-l', 'job-name=each', '-o', 'name']);
      return left === '';
    });
  });

  test('a Job with a sidecar completes when its work is done, and the sidecar is stopped', async () => {
    const stay = 'trap "echo stopped; exit 0" TERM; sleep 600 & wait $!';
    const sidecar = [
      '    initContainers:',
      '    - name: side',
      '      image: host',
      '      restartPolicy: Always',
      `      command: ["/bin/sh", "-c", ${JSON.stringify(stay)}]`,
    ].map((line) => `  ${line}\n`);
    await cluster.apply(job('aided', 'sleep 1; echo done') + sidecar.join(''));
    await cluster.ok(['wait', 'job/aided', '--for=condition=Complete', '--timeout=60s']);
    assert.equal(await field('job aided', '{.status.succeeded} {.status.failed}'), '1 ');
    const [pod = ''] = (await cluster.ok(['get', 'pods', '-l', 'job-name=aided', '-o', 'name'])).split('\n');
    assert.equal(await field(pod, '{.status.phase}'), 'Succeeded');
    assert.match(await cluster.ok(['logs', pod, '-c', 'side']), /stopped/);
    const ended = '{.status.initContainerStatuses[0].state.terminated.exitCode}';
    assert.equal(await field(pod, ended), '0');
    await cluster.ok(['delete', 'job', 'aided']);
  });

  test('a Job whose pods fail is tried again after a pause, and given up past its limit', async () => {
    await cluster.apply(job('bad', 'exit 3', ['backoffLimit: 0']));
    await cluster.ok(['wait', 'job/bad', '--for=condition=Failed', '--timeout=60s']);
    assert.match(await cluster.ok(['get', 'job', 'bad', '--no-headers']), /^bad +Failed +0\/1/);
    const events = await cluster.ok(['get', 'events', '--field-selector=involvedObject.name=bad']);
    assert.match(events, /BackoffLimitExceeded +job\/bad +Job has reached the specified backoff limit/);
    await cluster.ok(['delete', 'job', 'bad']);
    await until(
      'its pods are gone',
      async () => !(await cluster.ok(['get', 'pods', '-o', 'name'])).includes('bad'),
    );
  });

  test('a Job is suspended, resumed and completed; deleting it takes running pods with it', async () => {
    await cluster.apply(
      job('slow', 'trap "exit 0" TERM; sleep 600 & wait $!', ['parallelism: 2', 'completions: 2']),
    );
    await until('two run', async () => (await field('job slow', '{.status.ready}')) === '2');
    await cluster.ok(['patch', 'job', 'slow', '-p', '{"spec":{"suspend":true}}']);
    await until('it is suspended', async () => /Suspended/.test(await cluster.ok(['get', 'job', 'slow'])));
    await until(
      'no pod is left',
      async () => !(await cluster.ok(['get', 'pods', '-o', 'name'])).includes('slow'),
    );
    assert.equal(await field('job slow', '{.status.failed}{.status.active}'), '');
    await cluster.ok(['patch', 'job', 'slow', '-p', '{"spec":{"suspend":false}}']);
    await until('two run again', async () => (await field('job slow', '{.status.ready}')) === '2');
    await cluster.ok(['delete', 'job', 'slow']);
    await until(
      'no pod is left',
      async () => !(await cluster.ok(['get', 'pods', '-o', 'name'])).includes('slow'),
    );
  });

  test('a CronJob fires, keeps as many Jobs as it shall, is suspended, and makes a Job by hand', async () => {
    const spec = ['schedule: "@every 1s"', 'successfulJobsHistoryLimit: 1', 'jobTemplate:', '  spec:'];
    const lines = [...spec, ...template('echo tick').map((line) => `    ${line}`)].map((line) => `  ${line}`);
    await cluster.apply(
      ['apiVersion: batch/v1', 'kind: CronJob', 'metadata: {name: tick}', 'spec:', ...lines, ''].join('\n'),
    );
    await until('it succeeded', async () => (await field('cj tick', '{.status.lastSuccessfulTime}')) !== '');
    await cluster.ok(['patch', 'cj', 'tick', '-p', '{"spec":{"suspend":true}}']);
    await until('nothing runs', async () => (await field('cj tick', '{.status.active}')) === '');
    await until(
      'one is kept',
      async () => (await cluster.ok(['get', 'jobs', '-o', 'name'])).split('\n').length === 2,
    );
    const events = await cluster.ok(['get', 'events', '--field-selector=involvedObject.name=tick']);
    assert.match(events, /SuccessfulCreate +cronjob\/tick +Created job tick-\d+/);
    assert.match(events, /SawCompletedJob +cronjob\/tick +Saw completed job: tick-\d+, condition: Complete/);
    await cluster.ok(['create', 'job', 'by-hand', '--from=cronjob/tick']);
    await cluster.ok(['wait', 'job/by-hand', '--for=condition=Complete', '--timeout=60s']);
    await cluster.ok(['delete', 'cj', 'tick']);
  });
});
