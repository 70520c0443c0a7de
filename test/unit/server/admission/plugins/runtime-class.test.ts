import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { podKind } from '../../../../../protocol/kinds/pod.ts';
import { runtimeClassKind } from '../../../../../protocol/kinds/runtime-class.ts';
import { ensureRuntimeClasses, runtimeClass } from '../../../../../server/admission/plugins/runtime-class.ts';
import { refused } from '../../registry/registry-fixture.ts';
import { openAdmission, pod } from '../admission-fixture.ts';

async function open() {
  const fixture = await openAdmission({ plugins: [runtimeClass] });
  const toleration = { key: 'wasm', operator: 'Exists' };
  await fixture.registry.create(runtimeClassKind, {
    metadata: { name: 'wasm' },
    handler: 'wasm',
    overhead: { podFixed: { memory: '8Mi' } },
    scheduling: { nodeSelector: { wasm: 'yes' }, tolerations: [toleration] },
  });
  const create = (spec: object) =>
    fixture.registry.create(podKind, pod('a', { runtimeClassName: 'wasm', ...spec }));
  return { fixture, toleration, create };
}

describe('RuntimeClass', () => {
  test('a pod gets overhead, node selector and tolerations of its class', async () => {
    const { fixture, toleration, create } = await open();
    await using _fixture = fixture;
    const { spec } = await create({ nodeSelector: { a: 'b' }, tolerations: [toleration] });
    assert.deepEqual(
      [spec?.overhead, spec?.nodeSelector, spec?.tolerations],
      [{ memory: '8Mi' }, { a: 'b', wasm: 'yes' }, [toleration]],
    );
  });

  test('what contradicts the class, or names none that is there, is refused', async () => {
    const { fixture, create } = await open();
    await using _fixture = fixture;
    await assert.rejects(
      create({ runtimeClassName: 'none' }),
      refused('Forbidden', 'pods "a" is forbidden: pod rejected: RuntimeClass "none" not found'),
    );
    await assert.rejects(
      create({ nodeSelector: { wasm: 'no' } }),
      refused('Forbidden', /conflict: runtimeClass/),
    );
    await assert.rejects(
      create({ overhead: { memory: '1Mi' } }),
      refused('Forbidden', /Overhead doesn't match/),
    );
    await assert.rejects(
      fixture.registry.create(podKind, pod('a', { overhead: { memory: '1Mi' } })),
      refused('Forbidden', /Pod Overhead set without corresponding RuntimeClass/),
    );
  });

  test('what devices run of themselves has a class', async () => {
    const { fixture } = await open();
    await using opened = fixture;
    for (const _start of [1, 2]) await ensureRuntimeClasses(opened.registry);
    for (const name of ['oci', 'process'])
      await opened.registry.create(podKind, pod(name, { runtimeClassName: name }));
  });
});
