import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { finish, freePort, hasProgram, Running, root, until } from './support/programs.ts';

const example = join(root, 'examples/prometheus');
const missing = await prometheusMissing();

/** Serves metrics as any program would, on this machine's loopback. */
function talker(port: number): string {
  return `
apiVersion: v1
kind: Pod
metadata:
  name: talker
  labels: {app: talker}
  annotations: {prometheus.io/scrape: "true", prometheus.io/port: "${port}", prometheus.io/path: /said}
spec:
  runtimeClassName: process
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: host
    ports: [{containerPort: ${port}}]
    command: [sh, -c]
    args:
    - |
      d=$(mktemp -d) && trap "rm -rf $d" EXIT && echo 'words_said 42' | tee $d/said >$d/metrics
      busybox httpd -f -p 127.0.0.1:${port} -h $d & trap "kill $!" TERM; wait
---
apiVersion: v1
kind: Service
metadata:
  name: talkers
  annotations: {prometheus.io/scrape: "true", prometheus.io/probe: "true"}
spec:
  selector: {app: talker}
  ports: [{port: 80, targetPort: ${port}}]
`;
}

describe('a stock Prometheus, configured as the example says', { skip: missing, timeout: 120_000 }, () => {
  const ending: (() => Promise<unknown>)[] = [];
  let cluster: Cluster;
  let query: (expression: string) => Promise<string | undefined>;

  before(async () => {
    const context = { after: (task: () => Promise<unknown>) => void ending.push(task) };
    cluster = await Cluster.start(context);
    await cluster.addNodes(['meter']);
    await cluster.ok(['create', 'configmap', 'counted']);
    await cluster.apply(talker(await freePort()));
    await cluster.readyPods('talker', 1);
    const port = await startPrometheus(cluster, context);
    query = async (expression) => {
      const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`;
      const { stdout } = await finish('curl', ['-sf', url]);
      const answer = JSON.parse(stdout || '{}') as { data?: { result: { value: [number, string] }[] } };
      return answer.data?.result[0]?.value[1];
    };
  });
  after(async () => {
    for (const end of ending.reverse()) await end();
  });

  const scraped = (job: string) =>
    until(`a good scrape of ${job}`, async () => (await query(`up{job="${job}"}`)) === '1', {
      timeoutMs: 30_000,
      describe: () => query(`up{job="${job}"}`).then(String),
    });

  test('what the server says has no complaint from promtool', async () => {
    const text = await cluster.ok(['get', '--raw', '/metrics']);
    const checked = await finish('promtool', ['check', 'metrics'], { input: text });
    assert.deepEqual({ ...checked, stderr: checked.stderr.trim() }, { code: 0, stdout: '', stderr: '' });
  });

  test('it scrapes the server', async () => {
    await scraped('server');
    assert.equal(await query('flotilla_connected_nodes'), '1');
    const stored = (await cluster.ok(['get', 'configmaps', '-A', '-o', 'name'])).trim().split('\n').length;
    assert.equal(await query('apiserver_storage_objects{resource="configmaps"}'), String(stored));
    assert.equal(
      await query('sum(apiserver_request_total{verb="POST",resource="configmaps",code="201"})'),
      '1',
    );
    const quantile = 'histogram_quantile(0.99, sum by (le) (etcd_request_duration_seconds_bucket))';
    assert.match((await query(quantile)) ?? '', /^\d/);
  });

  test('it discovers devices, and scrapes them through the API', async () => {
    await scraped('devices');
    assert.match((await query('flotilla_agent_written_bytes_total{instance="meter"}')) ?? '', /^\d/);
    assert.equal(await query('up{job="devices",kubernetes_io_hostname="meter"}'), '1');
    await scraped('resources');
    assert.match((await query('node_cpu_usage_seconds_total{instance="meter"}')) ?? '', /^\d/);
    assert.match((await query('container_memory_working_set_bytes{pod="talker"}')) ?? '', /^\d/);
  });

  test('it discovers annotated pods and services, and scrapes them through the API', async () => {
    await scraped('pods');
    assert.equal(await query('words_said{job="pods",instance="default/talker"}'), '42');
    await scraped('endpoints');
    assert.equal(await query('words_said{job="endpoints",pod="talker",service="talkers"}'), '42');
    await scraped('services');
    assert.equal(await query('words_said{job="services",service="talkers"}'), '42');
  });
});

/** Some distributions build it without discovery by Kubernetes' API. */
async function prometheusMissing(): Promise<string | false> {
  if (!((await hasProgram('prometheus')) && (await hasProgram('promtool'))))
    return 'prometheus is not installed';
  const check = ['check', 'config', '--syntax-only', join(example, 'prometheus.yml')];
  const { code, stdout, stderr } = await finish('promtool', check);
  if (code === 0) return false;
  if (/kubernetes_sd_configs not found/.test(stderr))
    return 'prometheus is built without kubernetes_sd_configs';
  throw new Error(stdout + stderr);
}

/** As examples/prometheus says, only oftener and at this server's address. Returns its port. */
async function startPrometheus(
  cluster: Cluster,
  context: { after(task: () => Promise<unknown>): void },
): Promise<number> {
  const directory = join(cluster.directory, 'prometheus');
  await mkdir(directory);
  await cluster.ok(['apply', '-f', join(example, 'access.yaml')]);
  const secret = await until('the token', async () => {
    const { data = {} } = await cluster.json<{ data?: Record<string, string> }>([
      'get',
      'secret',
      'prometheus',
      '-n',
      'monitoring',
    ]);
    return data.token === undefined ? undefined : data;
  });
  for (const name of ['token', 'ca.crt'])
    await writeFile(join(directory, name), Buffer.from(secret[name] ?? '', 'base64'));
  const path = join(directory, 'prometheus.yml');
  const configuration = (await readFile(join(example, 'prometheus.yml'), 'utf8'))
    .replaceAll('127.0.0.1:6443', `127.0.0.1:${cluster.apiPort}`)
    .replace('scrape_interval: 1m', 'scrape_interval: 1s');
  await writeFile(path, configuration);
  const port = await freePort();
  const prometheus = new Running('prometheus', [
    `--config.file=${path}`,
    `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  context.after(() => prometheus.kill('SIGKILL'));
  await prometheus.saying(/ready to receive web requests/);
  return port;
}
