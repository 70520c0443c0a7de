import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { until } from './support/programs.ts';

/** CustomResourceDefinitions with the real kubectl against the real server, also across a restart. */
describe('custom resources with kubectl', { timeout: 180_000 }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await cluster.apply(JSON.stringify(definition));
    await cluster.ok([
      'wait',
      '--for=condition=Established',
      `crd/${definition.metadata.name}`,
      '--timeout=10s',
    ]);
  });
  after(async () => {
    for (const task of ending) await task();
  });

  const refusal = async (object: object) => {
    const { code, stderr } = await cluster.kubectl(['create', '-f', '-'], { input: JSON.stringify(object) });
    assert.equal(code, 1, stderr);
    return stderr;
  };

  test('what is established is there at once: resources, explain, objects with their columns and defaults', async () => {
    assert.match(
      await cluster.ok(['api-resources', '--api-group=stable.example.com']),
      /^crontabs +ct +stable\.example\.com\/v1 +true +CronTab$/m,
    );
    assert.match(
      await cluster.apply(JSON.stringify(cronTab('one'))),
      /crontab\.stable\.example\.com\/one created/,
    );
    const table = await cluster.ok(['get', 'ct']);
    assert.match(table, /^NAME +SPEC +REPLICAS +READY +AGE\s+one +\* \* \* \* \*\/5 +1 +\d+s/);
    const object = await cluster.json<{ spec: object }>(['get', 'ct', 'one']);
    assert.deepEqual(object.spec, {
      cronSpec: '* * * * */5',
      image: 'busybox',
      replicas: 1,
      maxReplicas: 50,
    });
    assert.match(await cluster.ok(['explain', 'crontab.spec.cronSpec']), /When to run\./);
    assert.match(await cluster.ok(['get', 'all']), /crontab\.stable\.example\.com\/one/);
    assert.match(await cluster.ok(['get', 'crd']), /^crontabs\.stable\.example\.com +\d{4}-/m);
  });

  test('what does not fit the schema or its rules is refused with the words of Kubernetes', async () => {
    assert.match(
      await refusal(cronTab('bad', { colour: 'red' })),
      /strict decoding error: unknown field "spec\.colour"/,
    );
    assert.match(
      await refusal(cronTab('bad', { color: 'pink' })),
      /The CronTab "bad" is invalid: spec\.color: Unsupported value: "pink": supported values: "red", "green"/,
    );
    assert.match(
      await refusal(cronTab('bad', { replicas: 'two' })),
      /spec\.replicas: Invalid value: "string": spec\.replicas in body must be of type integer: "string"/,
    );
    assert.match(
      await refusal(cronTab('bad', { replicas: 0 })),
      /spec\.replicas: Invalid value: 0: spec\.replicas in body should be greater than or equal to 1/,
    );
    assert.match(
      await refusal(cronTab('bad', { cronSpec: 'never' })),
      /spec\.cronSpec: Invalid value: "never": spec\.cronSpec in body should match '/,
    );
    assert.match(
      await refusal(cronTab('bad', { replicas: 60 })),
      /spec: Invalid value: "object": replicas should be smaller than or equal to maxReplicas/,
    );
    const { cronSpec: _, ...spec } = cronTab('bad').spec;
    assert.match(await refusal({ ...cronTab('bad'), spec }), /spec\.cronSpec: Required value/);
    const patched = await cluster.kubectl([
      'patch',
      'ct',
      'one',
      '--type=merge',
      '-p',
      '{"spec":{"image":"other"}}',
    ]);
    assert.match(patched.stderr, /spec\.image: Forbidden: image is immutable/);
    const strategic = await cluster.kubectl(['patch', 'ct', 'one', '-p', '{"spec":{"color":"red"}}']);
    assert.match(strategic.stderr, /application\/strategic-merge-patch\+json is not supported/);
  });

  test('a definition that is not sound is refused', async () => {
    const broken = structuredClone(definition) as unknown as Definition;
    broken.metadata.name = 'broken';
    const schema = broken.spec.versions[0]?.schema.openAPIV3Schema as { properties: Record<string, object> };
    schema.properties['loose'] = {};
    const words = await refusal(broken);
    assert.match(
      words,
      /metadata\.name: Invalid value: "broken": must be spec\.names\.plural\+"\."\+spec\.group/,
    );
    assert.match(
      words,
      /properties\[loose\]\.type: Required value: must not be empty for specified object fields/,
    );
    const miswritten = structuredClone(definition) as unknown as Definition;
    const [version] = miswritten.spec.versions;
    assert.ok(version);
    const { properties } = version.schema.openAPIV3Schema as {
      properties: { spec: { 'x-kubernetes-validations': object[] } };
    };
    properties.spec['x-kubernetes-validations'] = [{ rule: 'self.replics > 1' }];
    const { stderr } = await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(miswritten) });
    assert.match(stderr, /compilation failed: ERROR: <input>: undefined field 'replics'/);
  });

  test('scale, status, field selectors and another version work on the same object', async () => {
    assert.match(await cluster.ok(['scale', 'ct', 'one', '--replicas=3']), /scaled/);
    const status =
      '{"status":{"replicas":3,"conditions":[{"type":"Ready","status":"True"}]},"spec":{"replicas":9}}';
    await cluster.ok(['patch', 'ct', 'one', '--subresource=status', '--type=merge', '-p', status]);
    assert.match(await cluster.ok(['get', 'ct', 'one']), /one +\S+ \S+ \S+ \S+ \S+ +3 +True/);
    await cluster.ok([
      'patch',
      'ct',
      'one',
      '--type=json',
      '-p',
      '[{"op":"add","path":"/spec/color","value":"red"}]',
    ]);
    assert.match(await cluster.ok(['get', 'ct', '--field-selector=spec.color=red', '-o', 'name']), /one/);
    assert.equal(await cluster.ok(['get', 'ct', '--field-selector=spec.color=green', '-o', 'name']), '');
    const old = await cluster.json<{ apiVersion: string; metadata: { generation: number } }>([
      'get',
      'crontabs.v1beta1.stable.example.com',
      'one',
    ]);
    assert.equal(old.apiVersion, 'stable.example.com/v1beta1');
    assert.equal(old.metadata.generation, 3, 'a status changes no generation');
  });

  test('a watch sees them come, change and go, and owners take their dependents along', async () => {
    const watch = cluster.background(['get', 'ct', '--watch-only', '--output-watch-events']);
    try {
      // A watch begins when kubectl has connected: objects are made until one is seen.
      let made = 0;
      await until('the watch to see one', async () => {
        made += 1;
        await cluster.apply(JSON.stringify(cronTab(`watched-${made}`)));
        return /ADDED +watched-/.test(watch.output);
      });
      const name = `watched-${made}`;
      const { metadata } = await cluster.json<{ metadata: { uid: string } }>(['get', 'ct', name]);
      const owner = { apiVersion: 'stable.example.com/v1', kind: 'CronTab', name, uid: metadata.uid };
      await cluster.apply(
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: 'owned', ownerReferences: [owner] },
        }),
      );
      await cluster.ok(['delete', 'ct', '--all']);
      await until('DELETED seen', async () => new RegExp(`DELETED +${name}`).test(watch.output));
      await until(
        'the dependent to go',
        async () => (await cluster.kubectl(['get', 'cm', 'owned'])).code === 1,
      );
      await cluster.ok(['create', 'configmap', 'boss']);
      const boss = await cluster.json<{ metadata: { uid: string } }>(['get', 'cm', 'boss']);
      const { uid } = boss.metadata;
      const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'boss', uid }];
      const { metadata: meta, ...rest } = cronTab('ruled');
      await cluster.apply(JSON.stringify({ ...rest, metadata: { ...meta, ownerReferences } }));
      await cluster.ok(['delete', 'cm', 'boss']);
      await until(
        'the custom object to go',
        async () => (await cluster.kubectl(['get', 'ct', 'ruled'])).code === 1,
      );
    } finally {
      await watch.kill('SIGKILL');
    }
  });

  test('a namespace takes its custom objects along', async () => {
    await cluster.ok(['create', 'namespace', 'brief']);
    await cluster.ok(['-n', 'brief', 'create', '-f', '-'], { input: JSON.stringify(cronTab('inner')) });
    await cluster.ok(['delete', 'namespace', 'brief', '--timeout=30s']);
    assert.equal(await cluster.ok(['get', 'ct', '-A', '-o', 'name']), '');
  });

  test('after a restart everything is there, and deleting the definition deletes its objects', async () => {
    await cluster.apply(JSON.stringify(cronTab('kept')));
    await cluster.killServer();
    await cluster.startServer();
    assert.match(await cluster.ok(['get', 'ct', 'kept']), /^NAME +SPEC +REPLICAS/);
    assert.match(await refusal(cronTab('bad', { replicas: 60 })), /replicas should be smaller/);
    await cluster.ok([
      'patch',
      'ct',
      'kept',
      '--type=merge',
      '-p',
      '{"metadata":{"finalizers":["example.com/hold"]}}',
    ]);
    await cluster.ok(['delete', 'crd', definition.metadata.name, '--wait=false']);
    await until('the definition to say that it goes', async () => {
      const { stdout } = await cluster.kubectl(['get', 'crd', definition.metadata.name, '-o', 'json']);
      return /InstanceDeletionInProgress/.test(stdout);
    });
    const refused = await cluster.kubectl(['create', '-f', '-'], { input: JSON.stringify(cronTab('late')) });
    assert.match(refused.stderr, /create not allowed while custom resource definition is terminating/);
    const { metadata } = await cluster.json<{ metadata: { uid: string } }>(['get', 'ct', 'kept']);
    const owner = { apiVersion: 'stable.example.com/v1', kind: 'CronTab', name: 'kept', uid: metadata.uid };
    const dependent = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'left', ownerReferences: [owner] },
    };
    await cluster.apply(JSON.stringify(dependent));
    await cluster.ok(['patch', 'ct', 'kept', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
    await cluster.ok(['wait', '--for=delete', `crd/${definition.metadata.name}`, '--timeout=20s']);
    await until('its dependent to go', async () => (await cluster.kubectl(['get', 'cm', 'left'])).code === 1);
    await until('the kind to be gone', async () =>
      /the server doesn't have a resource type|could not find/.test(
        (await cluster.kubectl(['get', 'ct'])).stderr,
      ),
    );
    await cluster.apply(JSON.stringify(definition));
    await cluster.ok([
      'wait',
      '--for=condition=Established',
      `crd/${definition.metadata.name}`,
      '--timeout=10s',
    ]);
    assert.equal(await cluster.ok(['get', 'ct', '-A', '-o', 'name']), '', 'nothing comes back');
  });
});

interface Definition {
  metadata: { name: string };
  spec: { versions: { schema: { openAPIV3Schema: object } }[] };
}

function cronTab(name: string, spec: object = {}) {
  return {
    apiVersion: 'stable.example.com/v1',
    kind: 'CronTab',
    metadata: { name },
    spec: { cronSpec: '* * * * */5', ...spec },
  };
}

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'crontabs.stable.example.com' },
  spec: {
    group: 'stable.example.com',
    scope: 'Namespaced',
    names: {
      plural: 'crontabs',
      singular: 'crontab',
      kind: 'CronTab',
      shortNames: ['ct'],
      categories: ['all'],
    },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
        selectableFields: [{ jsonPath: '.spec.color' }],
        additionalPrinterColumns: [
          { name: 'Spec', type: 'string', jsonPath: '.spec.cronSpec' },
          { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
          { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: {
              spec: {
                type: 'object',
                required: ['cronSpec'],
                'x-kubernetes-validations': [
                  {
                    rule: 'self.replicas <= self.maxReplicas',
                    message: 'replicas should be smaller than or equal to maxReplicas',
                  },
                  {
                    rule: 'self.image == oldSelf.image',
                    message: 'image is immutable',
                    fieldPath: '.image',
                    reason: 'FieldValueForbidden',
                  },
                ],
                properties: {
                  cronSpec: {
                    type: 'string',
                    pattern: String.raw`^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$`,
                    description: 'When to run.',
                  },
                  image: { type: 'string', default: 'busybox' },
                  color: { type: 'string', enum: ['red', 'green'] },
                  replicas: { type: 'integer', minimum: 1, default: 1 },
                  maxReplicas: { type: 'integer', default: 50 },
                },
              },
              status: {
                type: 'object',
                properties: {
                  replicas: { type: 'integer' },
                  conditions: {
                    type: 'array',
                    items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                  },
                },
              },
            },
          },
        },
      },
      {
        name: 'v1beta1',
        served: true,
        storage: false,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};
