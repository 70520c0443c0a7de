import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { Cluster } from './support/cluster.ts';
import { finish, freePort, hasProgram, Running, until } from './support/programs.ts';

const missing = (await hasProgram('prometheus')) ? false : 'prometheus is not installed';

test('a stock Prometheus scrapes the server without complaint', { skip: missing }, async (context) => {
  const cluster = await Cluster.start(context);
  await cluster.addNodes(['meter']);
  await cluster.ok(['create', 'configmap', 'counted']);

  const text = await cluster.ok(['get', '--raw', '/metrics']);
  const checked = await finish('promtool', ['check', 'metrics'], { input: text });
  assert.deepEqual({ ...checked, stderr: checked.stderr.trim() }, { code: 0, stdout: '', stderr: '' });

  const port = await startPrometheus(cluster, context);
  const query = async (expression: string) => {
    const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`;
    const { stdout } = await finish('curl', ['-sf', url]);
    const answer = JSON.parse(stdout || '{}') as { data?: { result: { value: [number, string] }[] } };
    return answer.data?.result[0]?.value[1];
  };
  await until('a good scrape', async () => (await query('up{job="flotilla"}')) === '1', {
    timeoutMs: 30_000,
  });
  assert.equal(await query('flotilla_connected_nodes'), '1');
  assert.equal(await query('apiserver_storage_objects{resource="configmaps"}'), '1');
  assert.equal(
    await query('sum(apiserver_request_total{verb="POST",resource="configmaps",code="201"})'),
    '1',
  );
  const quantile = 'histogram_quantile(0.99, sum by (le) (etcd_request_duration_seconds_bucket))';
  assert.match((await query(quantile)) ?? '', /^\d/);
});

/** As Kubernetes' role for monitoring lets a service account. Returns its port. */
async function startPrometheus(
  cluster: Cluster,
  context: { after(task: () => Promise<unknown>): void },
): Promise<number> {
  const directory = join(cluster.directory, 'prometheus');
  await mkdir(directory);
  const { clusters } = parse(await readFile(cluster.kubeconfig, 'utf8')) as {
    clusters: { cluster: Record<string, string> }[];
  };
  const file = async (name: string, content: string | Buffer) => {
    await writeFile(join(directory, name), content);
    return name;
  };
  const authority = Buffer.from(clusters[0]?.cluster['certificate-authority-data'] ?? '', 'base64');
  await cluster.ok(['create', 'serviceaccount', 'prometheus']);
  const binding = ['--clusterrole=system:monitoring', '--serviceaccount=default:prometheus'];
  await cluster.ok(['create', 'clusterrolebinding', 'prometheus', ...binding]);
  const token = (await cluster.ok(['create', 'token', 'prometheus'])).trim();
  const configuration = {
    global: { scrape_interval: '1s' },
    scrape_configs: [
      {
        job_name: 'flotilla',
        scheme: 'https',
        static_configs: [{ targets: [`127.0.0.1:${cluster.apiPort}`] }],
        tls_config: { ca_file: await file('ca.crt', authority) },
        authorization: { credentials_file: await file('token', token) },
      },
    ],
  };
  const path = join(directory, 'prometheus.yml');
  await writeFile(path, stringify(configuration));
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
