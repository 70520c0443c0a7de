import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { type ApiClient, expectSuccess } from '../api-client.ts';
import { checkoutDirectory } from '../checkout.ts';

interface Manifest {
  metadata: { name: string };
  spec: {
    template: {
      spec: {
        containers: {
          env: { name: string; value?: string }[];
          ports: { containerPort: number; hostPort?: number }[];
        }[];
      };
    };
  };
}

/** Applies one of the hello Deployments, listening on `port` of this machine. Repeating it changes nothing. */
export async function applyExample(
  client: ApiClient,
  variant: 'process' | 'container',
  port: number,
): Promise<string> {
  const manifest = parseYaml(
    await readFile(join(checkoutDirectory(), `examples/hello/${variant}.yaml`), 'utf8'),
  ) as Manifest;
  fitToMachine(manifest, variant, port);
  const { name } = manifest.metadata;
  const collection = '/apis/apps/v1/namespaces/default/deployments';
  const exists = (await client.request('GET', `${collection}/${name}`)).code === 200;
  const answer = exists
    ? await client.request('PATCH', `${collection}/${name}`, manifest, 'application/merge-patch+json')
    : await client.request('POST', collection, manifest);
  expectSuccess(answer, `applying examples/hello/${variant}.yaml`);
  return name;
}

function fitToMachine(manifest: Manifest, variant: 'process' | 'container', port: number): void {
  for (const container of manifest.spec.template.spec.containers) {
    const [first] = container.ports;
    if (variant === 'container') {
      if (first) first.hostPort = port;
      continue;
    }
    if (first) first.containerPort = port;
    for (const variable of container.env) if (variable.name === 'PORT') variable.value = String(port);
    // Where Node needed a library that the machine lacks (cli/flotilla), the example's Node does too.
    const libraries = process.env.LD_LIBRARY_PATH;
    if (libraries) container.env.push({ name: 'LD_LIBRARY_PATH', value: libraries });
  }
}
