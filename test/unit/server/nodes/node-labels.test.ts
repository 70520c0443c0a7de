import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayLabelItself, mergeLabels, permittedLabels } from '../../../../server/nodes/node-labels.ts';

test('a device may describe itself, and nothing more within the domains of Kubernetes', () => {
  for (const key of [
    'kubernetes.io/arch',
    'kubernetes.io/hostname',
    'topology.kubernetes.io/zone',
    'node.kubernetes.io/instance-type',
    'kubelet.kubernetes.io/anything',
    'board',
    'example.com/room',
    'flotilla.dev/board',
  ]) {
    assert.equal(mayLabelItself(key), true, key);
  }
  for (const key of [
    'node-role.kubernetes.io/control-plane',
    'node-restriction.kubernetes.io/trusted',
    'kubernetes.io/anything',
    'foo.k8s.io/x',
    'a/b/c',
    '',
    'x y',
    '/x',
  ]) {
    assert.equal(mayLabelItself(key), false, key);
  }
});

test('labels that are no labels are left out, and there is a limit', () => {
  assert.deepEqual(permittedLabels({ a: 'ok', b: 'not ok', 'node-role.kubernetes.io/x': '', c: '' }), {
    a: 'ok',
    c: '',
  });
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`l${n}`, 'x']));
  assert.equal(Object.keys(permittedLabels(many)).length, 64);
});

test('what an operator set stays, whatever the device says; what the device no longer says goes', () => {
  const before = { zone: 'a', board: 'pi4', old: '1' };
  const current = { zone: 'moved-by-operator', board: 'pi4', old: '1', team: 'red' };
  assert.deepEqual(mergeLabels(current, before, { zone: 'b', board: 'pi5', team: 'blue' }), {
    zone: 'moved-by-operator',
    board: 'pi5',
    team: 'red',
  });
});
