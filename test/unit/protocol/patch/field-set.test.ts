import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import {
  difference,
  type FieldSet,
  intersection,
  isEmpty,
  pathsOf,
  sameFields,
  union,
  without,
} from '../../../../protocol/patch/field-set.ts';
import { keyElement, pathText, readElement, valueElement } from '../../../../protocol/patch/path-element.ts';

const element = fc.constantFrom('f:a', 'f:b', 'f:c', 'k:{"name":"x"}', 'v:1');
const paths = fc.array(fc.array(element, { minLength: 1, maxLength: 4 }), { maxLength: 8 });

function setOf(all: readonly (readonly string[])[]): FieldSet {
  return all.reduce<FieldSet>((set, path) => {
    const one = path.reduceRight<FieldSet>((inner, step) => ({ [step]: inner }), {});
    return union(set, one);
  }, {});
}

function textsOf(set: FieldSet): Set<string> {
  return new Set(pathsOf(set).map((path) => path.join(' ')));
}

function textsOfPaths(all: readonly (readonly string[])[]): Set<string> {
  return new Set(all.map((path) => path.join(' ')));
}

describe('field sets', () => {
  test('are sets of paths: union, intersection and difference are those of their paths', () => {
    fc.assert(
      fc.property(paths, paths, (left, right) => {
        const [a, b] = [setOf(left), setOf(right)];
        const [inA, inB] = [textsOfPaths(left), textsOfPaths(right)];
        assert.deepEqual(textsOf(a), inA);
        assert.deepEqual(textsOf(union(a, b)), inA.union(inB));
        assert.deepEqual(textsOf(intersection(a, b)), inA.intersection(inB));
        assert.deepEqual(textsOf(difference(a, b)), inA.difference(inB));
        assert.equal(isEmpty(difference(a, a)), true);
      }),
    );
  });

  test('have one form: equal sets are equal trees, whatever the order they were built in', () => {
    fc.assert(
      fc.property(paths, (all) => {
        const [there, back] = [setOf(all), setOf([...all].reverse())];
        assert.equal(sameFields(there, back), true);
        assert.deepEqual(there, back);
        assert.deepEqual(JSON.parse(JSON.stringify(there)), there);
      }),
    );
  });

  test('say by a dot that a field is owned beside what is in it', () => {
    assert.deepEqual(setOf([['f:a'], ['f:a', 'f:b']]), { 'f:a': { '.': {}, 'f:b': {} } });
    assert.deepEqual(setOf([['f:a', 'f:b']]), { 'f:a': { 'f:b': {} } });
    assert.deepEqual(pathsOf({ 'f:a': { '.': {}, 'f:b': {} } }), [['f:a'], ['f:a', 'f:b']]);
  });

  test('lose a field with all that is in it', () => {
    const set = setOf([['f:a', 'f:b'], ['f:a', 'f:c', 'v:1'], ['f:b']]);
    assert.deepEqual(without(set, ['f:a', 'f:c']), setOf([['f:a', 'f:b'], ['f:b']]));
    assert.deepEqual(without(set, ['f:a']), setOf([['f:b']]));
    assert.equal(without(set, ['f:x', 'f:y']), set);
  });
});

describe('path elements', () => {
  test('have one spelling, whatever the order and the spaces of their keys', () => {
    assert.equal(
      keyElement([
        ['containerPort', 80],
        ['protocol', 'TCP'],
      ]),
      'k:{"containerPort":80,"protocol":"TCP"}',
    );
    assert.equal(
      readElement('k:{ "protocol":"TCP", "containerPort":80 }'),
      'k:{"containerPort":80,"protocol":"TCP"}',
    );
    assert.equal(readElement('v:"x"'), valueElement('x'));
  });

  test('that are none are told', () => {
    for (const text of ['spec', 'f', 'k:[1]', 'k:{', 'v:', 'i:-1', 'i:x', 'x:y', '']) {
      assert.equal(readElement(text), undefined, text);
    }
  });

  test('read as Kubernetes prints them in a conflict', () => {
    const path = ['f:spec', 'f:ports', 'k:{"port":80,"protocol":"TCP"}', 'f:targetPort'];
    assert.equal(pathText(path), '.spec.ports[port=80,protocol="TCP"].targetPort');
    assert.equal(pathText(['f:metadata', 'f:finalizers', 'v:"a"']), '.metadata.finalizers[="a"]');
  });
});
