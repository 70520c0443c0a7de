/** What a pod's body costs to read, in protobuf and in JSON: npm run bench -- bench/protobuf.ts. Compare ratios. */
import { createProtobufDecoder } from '../protocol/protobuf/decode-protobuf.ts';
import { messageTable } from '../protocol/protobuf/message-table.ts';
import { findDuplicateFields } from '../protocol/schema/duplicate-fields.ts';
import { encodeMessage } from '../test/unit/protocol/protobuf/encode-protobuf.ts';

const runs = 3_000;
const rounds = 7;
const schema = 'io.k8s.api.core.v1.Pod';
const pod = {
  metadata: {
    name: 'web-7d9f8b6c5d-abcde',
    namespace: 'default',
    labels: { app: 'web', 'pod-template-hash': '7d9f8b6c5d', tier: 'front' },
    annotations: { note: 'some longer text that explains what this pod is about' },
  },
  spec: {
    volumes: [{ name: 'config', configMap: { name: 'web-config', defaultMode: 420 } }],
    containers: ['web', 'proxy'].map((name) => ({
      name,
      image: `registry.example.com/team/${name}:1.2.3`,
      command: ['/bin/server', '--port=80', '--verbose'],
      ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
      env: [
        { name: 'PLAIN', value: 'some value' },
        { name: 'POD', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
        { name: 'SECRET', valueFrom: { secretKeyRef: { name: 'keys', key: 'password' } } },
      ],
      resources: { limits: { cpu: '500m', memory: '256Mi' }, requests: { cpu: '100m', memory: '64Mi' } },
      volumeMounts: [{ name: 'config', mountPath: '/etc/web', readOnly: true }],
      livenessProbe: { httpGet: { path: '/healthz', port: 8080, scheme: 'HTTP' }, periodSeconds: 10 },
      imagePullPolicy: 'IfNotPresent',
      securityContext: { runAsUser: 1000, allowPrivilegeEscalation: false },
    })),
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    nodeName: 'node-12',
    tolerations: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', tolerationSeconds: 300 }],
  },
};

const protobuf = encodeMessage(messageTable, schema, pod);
const json = Buffer.from(JSON.stringify(pod));
const decoder = createProtobufDecoder(messageTable);
const utf8 = new TextDecoder('utf-8', { fatal: true });

row(`protobuf, ${protobuf.length} bytes`, () => decoder.decode(schema, protobuf));
row(`JSON, ${json.length} bytes: text and parse`, () => JSON.parse(utf8.decode(json)));
row('JSON as the API reads it, with the search for repeated fields', () => {
  const text = utf8.decode(json);
  findDuplicateFields(text);
  return JSON.parse(text);
});

function row(what: string, run: () => unknown): void {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (let count = 0; count < runs; count++) run();
    best = Math.min(best, ((performance.now() - start) / runs) * 1_000);
  }
  console.log(`${best.toFixed(1).padStart(6)} µs  ${what}`);
}
