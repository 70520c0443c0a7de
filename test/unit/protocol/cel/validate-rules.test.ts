import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ruleEnvironment } from '../../../../protocol/cel/compile-rule.ts';
import { createCelEnvironment } from '../../../../protocol/cel/environment.ts';
import { validateSchemaRules } from '../../../../protocol/cel/schema-rules.ts';
import { compileRules, validateRules } from '../../../../protocol/cel/validate-rules.ts';
import type { StructuralSchema, ValidationRule } from '../../../../protocol/structural/structural-schema.ts';

const environment = ruleEnvironment(createCelEnvironment());

function faults(schema: StructuralSchema, value: unknown, old?: unknown): string[] {
  const tree = compileRules(schema, environment);
  assert.ok(tree);
  return validateRules(tree, { value, old }, 'spec').map(({ field, message }) => `${field}: ${message}`);
}

const spec: StructuralSchema = {
  type: 'object',
  properties: {
    replicas: { type: 'integer' },
    ratio: { type: 'number' },
    name: { type: 'string' },
    at: { type: 'string', format: 'date-time' },
    tags: { type: 'array', items: { type: 'string' } },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    namespace: { type: 'string' },
    'dash-ed': { type: 'integer' },
    memory: { 'x-kubernetes-int-or-string': true },
  },
};
const value = {
  replicas: 5,
  ratio: 1,
  name: 'abc',
  at: '2026-01-31T12:00:00Z',
  tags: ['a', 'b'],
  labels: { k: 'v' },
  namespace: 'ns',
  'dash-ed': 1,
  memory: '1Gi',
};
const withRules = (...rules: ValidationRule[]) => ({ ...spec, 'x-kubernetes-validations': rules });
const holds = (rule: string) => faults(withRules({ rule }), value).length === 0;

describe('rules are CEL as Kubernetes has it', () => {
  for (const rule of [
    'self.replicas + 1 == 6 && self.replicas % 2 == 1',
    'self.ratio < 1.5 && self.ratio < self.replicas',
    'has(self.name) && !has(self.labels.x)',
    'self.tags.all(t, t.matches("^[a-z]$")) && self.tags.exists_one(t, t == "a")',
    'self.labels.all(k, self.labels[k].startsWith("v"))',
    'self.tags.map(t, t + "x") == ["ax", "bx"] && self.tags.filter(t, t > "a").size() == 1',
    'self.__namespace__ == "ns" && self.dash__dash__ed == 1',
    'self.at < timestamp("2027-01-01T00:00:00Z") && self.at.getFullYear() == 2026',
    'duration("90m").getHours() == 1',
    'quantity(self.memory).isGreaterThan(quantity("500Mi")) && isQuantity("1.5") && !isQuantity("x")',
    'isIP("10.0.0.1") && cidr("10.0.0.0/8").containsIP("10.1.2.3") && !cidr("10.0.0.0/8").containsIP("11.0.0.1")',
    'url("https://example.com:8443/x").getPort() == "8443" && isURL("/path") && !isURL("no url")',
    'self.name.find("b.") == "bc" && "a1b2".findAll("[0-9]") == ["1", "2"]',
    'self.tags.isSorted() && [1, 2].sum() == 3 && [1, 3, 2].max() == 3 && self.tags.indexOf("b") == 1',
    '"a-b-c".replace("-", "", 1) == "ab-c" && self.name.substring(1) == "bc" && self.name.charAt(0) == "a"',
    '"%s is %d (%.1f)".format(["x", 1, 1.5]) == "x is 1 (1.5)"',
    'self.?name.orValue("none") == "abc"',
    'cel.bind(n, self.replicas, n > 2 ? n < 10 : false)',
    'self.memory == "1Gi" && type(self.memory) == string',
  ])
    test(rule, () => assert.ok(holds(rule)));
});

test('a refused value is told as Kubernetes tells it', () => {
  const told = (rule: ValidationRule) => faults(withRules(rule), value)[0];
  assert.equal(
    told({ rule: 'self.replicas < 3' }),
    'spec: Invalid value: "object": failed rule: self.replicas < 3',
  );
  assert.equal(told({ rule: 'false', message: 'no' }), 'spec: Invalid value: "object": no');
  assert.equal(
    told({ rule: 'false', message: 'no', messageExpression: '"%d!".format([self.replicas])' }),
    'spec: Invalid value: "object": 5!',
  );
  assert.equal(
    told({ rule: 'false', message: 'no', reason: 'FieldValueForbidden', fieldPath: '.name' }),
    'spec.name: Forbidden: no',
  );
  assert.equal(
    told({ rule: 'self.labels["x"] == "y"', message: 'x is y' }),
    'spec: Invalid value: "object": no such key: x evaluating rule: x is y',
  );
});

test('a rule about the change is asked only where something changed into something', () => {
  const schema = withRules({ rule: 'self.replicas >= oldSelf.replicas', message: 'never down' });
  assert.deepEqual(faults(schema, { replicas: 1 }), []);
  assert.deepEqual(faults(schema, { replicas: 1 }, { replicas: 1 }), []);
  assert.deepEqual(faults(schema, { replicas: 1 }, { replicas: 2 }), [
    'spec: Invalid value: "object": never down',
  ]);
  const optional = withRules({
    rule: 'oldSelf.hasValue() || self.replicas == 1',
    optionalOldSelf: true,
    message: 'starts at 1',
  });
  assert.deepEqual(faults(optional, { replicas: 2 }), ['spec: Invalid value: "object": starts at 1']);
  assert.deepEqual(faults(optional, { replicas: 2 }, { replicas: 1 }), []);
});

test('items of a keyed list meet what they were before, wherever they stand', () => {
  const item = {
    type: 'object',
    properties: { name: { type: 'string' }, size: { type: 'integer' } },
    'x-kubernetes-validations': [{ rule: 'self.size >= oldSelf.size', message: 'grows' }],
  };
  const schema: StructuralSchema = {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    items: item,
  };
  const old = [
    { name: 'a', size: 2 },
    { name: 'b', size: 2 },
  ];
  assert.deepEqual(
    faults(
      schema,
      [
        { name: 'c', size: 0 },
        { name: 'b', size: 1 },
      ],
      old,
    ),
    ['spec[1]: Invalid value: "object": grows'],
  );
});

test('a rule that cannot be compiled is refused with its place', () => {
  const told = (rule: ValidationRule) =>
    validateSchemaRules({ type: 'object', properties: { spec: withRules(rule) } }, 's').map(
      ({ field, message }) => `${field}: ${message}`,
    );
  assert.deepEqual(told({ rule: 'self.replicas > 1' }), []);
  const at = 's.properties[spec].x-kubernetes-validations[0]';
  assert.deepEqual(told({ rule: 'self.replics > 1' }), [
    `${at}.rule: Invalid value: "self.replics > 1": compilation failed: ERROR: <input>: undefined field 'replics'`,
  ]);
  assert.match(told({ rule: 'self.replicas >' })[0] ?? '', /compilation failed: ERROR: <input>: /);
  assert.match(told({ rule: 'self.name.size()' })[0] ?? '', /must evaluate to a bool$/);
  assert.match(told({ rule: 'other == 1' })[0] ?? '', /Unknown variable: other$/);
  assert.match(told({ rule: ' ' })[0] ?? '', /\.rule: Required value: rule is not specified$/);
});
