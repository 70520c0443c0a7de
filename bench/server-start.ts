import { openApiClient } from '../cli/api-client.ts';
import { Cluster } from '../test/e2e/support/cluster.ts';

/**
 * How long a server with many objects takes from its start to a good /readyz.
 *
 *   npm run bench -- bench/server-start.ts [objects = 10000]
 */
const objects = Number(process.argv[2] ?? 10_000);
const writers = 50;
const rounds = 5;
const ending: (() => Promise<void>)[] = [];
try {
  const cluster = await Cluster.start({ after: (task) => void ending.push(task) });
  await fill(cluster);
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await cluster.killServer();
    const began = performance.now();
    await cluster.startServer();
    const client = await openApiClient(cluster.kubeconfig);
    while ((await client.request('GET', '/readyz').catch(() => ({ code: 0 }))).code !== 200);
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  process.stdout.write(
    `${objects} objects, ${rounds} starts after kill -9: median ${times[Math.floor(rounds / 2)]?.toFixed(0)} ms, ` +
      `best ${times[0]?.toFixed(0)} ms, worst ${times.at(-1)?.toFixed(0)} ms\n`,
  );
} finally {
  for (const task of ending) await task();
}

async function fill(cluster: Cluster): Promise<void> {
  const client = await openApiClient(cluster.kubeconfig);
  let next = 0;
  await Promise.all(
    Array.from({ length: writers }, async () => {
      for (let index = next++; index < objects; index = next++) {
        const configMap = { metadata: { name: `fill-${index}` }, data: { text: 'x'.repeat(400) } };
        const { code } = await client.request('POST', '/api/v1/namespaces/default/configmaps', configMap);
        if (code !== 201) throw new Error(`creating object ${index}: HTTP ${code}`);
      }
    }),
  );
}
