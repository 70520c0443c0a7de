import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatusError } from '../../../../protocol/status.ts';
import { acceptsGzip, negotiate } from '../../../../server/api/request/negotiation.ts';

const transforms = { transforms: true };

test('no preference, any type and JSON itself all mean JSON', () => {
  for (const accept of [undefined, '', '*/*', 'application/*', 'application/json;stream=watch'])
    assert.deepEqual(negotiate(accept, transforms), { format: 'json' });
});

test('what we do not speak is passed over for what we do', () => {
  const accept = 'application/vnd.kubernetes.protobuf, application/cbor, application/json';
  assert.deepEqual(negotiate(accept, transforms), { format: 'json' });
  assert.deepEqual(negotiate('application/yaml;q=0.5, application/json;q=0.1', transforms), {
    format: 'yaml',
  });
});

test("kubectl's header means a Table where objects can be shown as rows, JSON elsewhere", () => {
  const accept =
    'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json';
  assert.deepEqual(negotiate(accept, transforms), {
    format: 'json',
    as: { kind: 'Table', apiVersion: 'meta.k8s.io/v1' },
  });
  assert.deepEqual(negotiate(accept, { transforms: false }), { format: 'json' });
});

test('an unknown transformation alone is refused, as is a type we do not have', () => {
  const refused = [
    'application/json;as=Chart;v=v1;g=meta.k8s.io',
    'application/vnd.kubernetes.protobuf',
    'text/html',
  ];
  for (const accept of refused)
    assert.throws(
      () => negotiate(accept, transforms),
      (error) => error instanceof StatusError && error.code === 406,
      accept,
    );
});

test('gzip is used only for who takes it', () => {
  for (const header of ['gzip', 'deflate, gzip', 'gzip;q=0.5', 'GZIP , br'])
    assert.ok(acceptsGzip(header), header);
  for (const header of [undefined, '', 'br', 'gzip;q=0', 'gzip;q=0.0, br', 'xgzip'])
    assert.ok(!acceptsGzip(header), String(header));
});
