import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { putFileVariables, readVariable } from '../../../../agent/pods/environment-files.ts';
import type { Container } from '../../../../protocol/generated/models.ts';
import { container, PodLife, pod } from './plan-cases.ts';

suite('variables from files', () => {
  const text = [
    '# made by init',
    '',
    '  NAME = some value  ',
    'EMPTY=',
    'LONG=a \\',
    '  b\\',
    'c',
    'NAME=second',
    'Q="as is"',
  ].join('\n');

  for (const [key, value] of [
    ['NAME', 'some value'],
    ['EMPTY', ''],
    ['LONG', 'a b c'],
    ['Q', '"as is"'],
    ['OTHER', undefined],
  ] as const)
    test(`${key} is ${JSON.stringify(value)}`, () => assert.equal(readVariable(text, key), value));

  for (const bad of ['no equals sign', '=x', 'A=1\\\n# comment\nB=2', 'A=1\\\n\nB=2', 'A=1\\'])
    test(`${JSON.stringify(bad)} is refused`, () => assert.throws(() => readVariable(bad, 'Z')));
});

suite('a container with variables from files', () => {
  const ref = (key: string, optional = false) => ({
    valueFrom: { fileKeyRef: { volumeName: 'v', path: 'made.env', key, optional } },
  });
  const started = (more: Partial<Container>) => {
    const life = new PodLife(pod({ containers: [container('app', more)] }));
    for (;;) {
      const step = life.plan().steps.find(({ type }) => type === 'runContainer');
      if (step?.type === 'runContainer') return step;
      assert.ok(life.begin().length > 0);
      life.settleOnce();
    }
  };
  const files = (text?: string) => ({ readFile: async () => text });

  test('gets them, and so does what refers to them', async () => {
    const env = [
      { name: 'A', ...ref('NAME') },
      { name: 'B', value: '<$(A)>' },
    ];
    const put = await putFileVariables(started({ env, args: ['--name=$(A)'] }), files('NAME=x'));
    assert.equal(put.spec.environment['A'], 'x');
    assert.equal(put.spec.environment['B'], '<x>');
    assert.deepEqual(put.spec.args, ['--name=x']);
  });

  test('does without an optional one that is not there', async () => {
    const step = started({ env: [{ name: 'A', ...ref('NONE', true) }], args: ['$(A)'] });
    for (const text of ['NAME=x', undefined]) {
      const put = await putFileVariables(step, files(text));
      assert.ok(!('A' in put.spec.environment));
      assert.deepEqual(put.spec.args, ['$(A)']);
    }
  });

  test('waits for one that is missing and not optional, and says for which', async () => {
    const step = started({ env: [{ name: 'A', ...ref('NONE') }] });
    const code = 'CreateContainerConfigError';
    await assert.rejects(putFileVariables(step, files('NAME=x')), {
      code,
      message: /key "NONE" of file "made.env"/,
    });
    await assert.rejects(putFileVariables(step, files()), { code, message: /no such file/ });
    await assert.rejects(putFileVariables(step, files('nonsense')), { code, message: /line 1/ });
  });
});
