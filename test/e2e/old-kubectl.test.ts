import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { finish, hasProgram } from './support/programs.ts';

const old = 'kubectl-1.20';
const missing = (await hasProgram(old)) ? false : `${old} is not there`;

/** kubectl up to 1.28 reads the API's schemas from OpenAPI 2 in protobuf, before anything that validates. */
test('a kubectl from years ago explains, validates and applies', { skip: missing }, async (context) => {
  const cluster = await Cluster.start(context);
  const run = (args: string[], input = '') => finish(old, args, { env: cluster.environment, input });
  const deployment = (replicas: string, container: string) =>
    JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        replicas: Number(replicas) || replicas,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { containers: [{ name: 'c', [container]: 'registry.example.dev/web' }] },
        },
      },
    });

  const explained = await run(['explain', 'deployment.spec.strategy.type']);
  assert.match(explained.stdout, /Can be "Recreate" or "RollingUpdate"/, explained.stderr);

  const wrong = await run(['apply', '-f', '-'], deployment('many', 'typo'));
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /replicas\): invalid type .* got "string", expected "integer"/);
  assert.match(wrong.stderr, /unknown field "typo" in io\.k8s\.api\.core\.v1\.Container/);

  assert.equal(
    (await run(['apply', '-f', '-'], deployment('1', 'image'))).stdout,
    'deployment.apps/web created\n',
  );
  assert.equal(
    (await run(['apply', '-f', '-'], deployment('2', 'image'))).stdout,
    'deployment.apps/web configured\n',
  );
  const replicas = await cluster.ok(['get', 'deployment', 'web', '-o', 'jsonpath={.spec.replicas}']);
  assert.equal(replicas, '2');
});
