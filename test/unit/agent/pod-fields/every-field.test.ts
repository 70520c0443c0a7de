import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { admit } from '../../../../agent/pods/admission.ts';
import { probeTargets } from '../../../../agent/pods/container-health.ts';
import type { PlanContext } from '../../../../agent/pods/plan-parts.ts';
import { newRecord } from '../../../../agent/pods/recovery.ts';
import type { Step } from '../../../../agent/pods/steps.ts';
import type { PodSpec } from '../../../../protocol/generated/models.ts';
import { validatePodSpec } from '../../../../protocol/kinds/pod-spec/validate-pod-spec.ts';
import type { Schema } from '../../../../protocol/schema/schema.ts';
import { schemas } from '../../../../protocol/schema/schemas.ts';
import { container, context, PodLife, pod, success, uid, wallMs } from '../pods/plan-cases.ts';
import type { Fate, Row } from './fates.ts';
import { containerRows } from './of-containers.ts';
import { podRows } from './of-pods.ts';
import { securityRows } from './of-security.ts';
import { volumeRows } from './of-volumes.ts';

const rows = [...podRows, ...containerRows, ...securityRows, ...volumeRows];
const root = join(import.meta.dirname, '../../../..');

/** Every path below a pod's spec that ends in a value; the three lists of containers count as one. */
function* paths(name: string, under = ''): Generator<string> {
  const { properties = {} } = schemas[name] ?? {};
  for (const [field, schema] of Object.entries(properties)) {
    const inner = referred(schema);
    const list = under === '' && /^(?:init|ephemeral)Containers$/.test(field) ? 'containers' : field;
    if (inner !== undefined && schemas[inner]?.properties) yield* paths(inner, `${under}${list}.`);
    else yield `${under}${list}`;
  }
}

function referred(schema: Schema): string | undefined {
  const { $ref } = (schema.items ?? schema) as { $ref?: string };
  return $ref?.split('/').at(-1);
}

function rowOf(path: string): Row | undefined {
  return rows.find((row) => row.path === path || (row.below && path.startsWith(`${row.path}.`)));
}

suite('every field of a pod', () => {
  test('has a fate that somebody has thought about', () => {
    const all = new Set(paths('io.k8s.api.core.v1.PodSpec'));
    const unknown = [...all].filter((path) => !rowOf(path));
    assert.deepEqual(unknown, [], 'say in test/unit/agent/pod-fields what becomes of these');
    const outdated = rows.filter(
      ({ path }) =>
        ![...all, 'initContainers', 'ephemeralContainers'].some(
          (one) => one === path || one.startsWith(`${path}.`),
        ),
    );
    assert.deepEqual(
      outdated.map(({ path }) => path),
      [],
    );
  });

  for (const { path, fate, process } of rows) {
    test(`${path}: ${fate.is}`, () => holds(path, fate, 'oci'));
    test(`${path} of a host process: ${(process ?? fate).is}`, () => holds(path, process ?? fate, 'process'));
  }
});

function holds(path: string, fate: Fate, runtime: string): void {
  switch (fate.is) {
    case 'acted on':
      return assert.ok(doings(fate.to, runtime) !== doings(fate.from, runtime), 'nothing is done otherwise');
    case 'read': {
      const field = path.split('.').at(-1) ?? '';
      return assert.match(readFileSync(join(root, fate.source), 'utf8'), new RegExp(`\\b${field}\\b`));
    }
    case 'refused': {
      const onHost = runtime === 'process' ? { containers: [container('app', { image: 'host' })] } : {};
      const verdict = admission({ ...onHost, ...fate.spec }, runtime);
      return assert.match(verdict.admitted ? 'admitted' : verdict.message, fate.words);
    }
    case 'rejected': {
      const causes = validatePodSpec({ containers: [container('app')], ...fate.spec }, 'spec');
      return assert.match(causes.map(({ field, message }) => `${field}: ${message}`).join('\n'), fate.words);
    }
    case 'nothing':
      return assert.ok(fate.why);
  }
}

function admission(spec: Partial<PodSpec>, runtime: string) {
  return admit(pod({ runtimeClassName: runtime, ...spec }), {
    allocatable: { cpuMillis: 4000, memoryBytes: 2 ** 30, ephemeralStorageBytes: 2 ** 33, pods: 3 },
    admitted: [],
    hostPorts: [],
    runtimes: ['oci', 'process'],
  });
}

const db = { metadata: { name: 'db' }, spec: { clusterIP: '10.96.0.9', ports: [{ port: 5432 }] } };
const withService: PlanContext = { ...context, sources: { ...context.sources, services: () => [db] } };

/** Everything that a device does with a pod through its life, and what it says of it, as text. */
function doings(spec: Partial<PodSpec>, runtime: string): string {
  const wanted = pod({ runtimeClassName: runtime, ...spec }, { generation: 1 });
  const verdict = admission(spec, runtime);
  if (!verdict.admitted) return verdict.message;
  const life = new PodLife(wanted, newRecord({ pod: wanted, runtime, bootId: 'b1', startedAtMs: wallMs }));
  life.context = withService;
  const said: unknown[] = [verdict];
  const steps: Step[] = [];
  const goOn = () => {
    for (let begun = life.begin(); begun.length > 0; begun = life.begin()) {
      steps.push(...begun);
      for (const step of begun) life.on(success(step, life.now));
    }
    said.push(probeTargets(wanted, life.state, life.now), life.plan().waiting, life.status());
  };
  goOn();
  life.advance(2_000);
  goOn();
  for (const { name } of wanted.spec?.containers ?? []) life.exit(name, 1);
  goOn();
  life.wanted = { ...wanted, metadata: { uid, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  life.advance(60_000);
  for (let begun = life.begin(); begun.length > 0; begun = life.begin()) {
    steps.push(...begun);
    for (const step of begun) life.on(success(step, life.now));
  }
  return JSON.stringify([said, steps.map(withoutPods)]);
}

/** What a step carries along of the pod as it was written proves nothing. */
function withoutPods(step: Step): object {
  const { pod: _pod, container, ...rest } = step as Step & { pod?: unknown; container?: unknown };
  return typeof container === 'string' ? { ...rest, container } : rest;
}
