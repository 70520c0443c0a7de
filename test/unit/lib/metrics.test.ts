import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMetrics, seriesMax } from '../../../lib/metrics.ts';

describe('metrics', () => {
  test('are told in the text format that Prometheus reads', async () => {
    const metrics = createMetrics();
    const requests = metrics.counter({
      name: 'requests_total',
      help: 'All of them.',
      labels: ['verb', 'code'],
    });
    requests.of('GET', '200').add();
    requests.of('GET', '200').add(2);
    requests.of('PUT', '409').add();
    metrics.read({ name: 'depth', help: 'How deep.', type: 'gauge', values: async () => 7 });
    assert.equal(
      await metrics.text(),
      [
        '# HELP requests_total All of them.',
        '# TYPE requests_total counter',
        'requests_total{verb="GET",code="200"} 3',
        'requests_total{verb="PUT",code="409"} 1',
        '# HELP depth How deep.',
        '# TYPE depth gauge',
        'depth 7',
        '',
      ].join('\n'),
    );
  });

  test('of a histogram count a value in every bucket that holds it, bounds included', async () => {
    const metrics = createMetrics();
    const seconds = metrics.histogram({ name: 's', help: 'h', buckets: [0.5, 1], labels: ['verb'] });
    for (const value of [0.25, 0.5, 0.75, 4]) seconds.of('GET').observe(value);
    assert.deepEqual((await metrics.text()).split('\n').slice(2), [
      's_bucket{verb="GET",le="0.5"} 2',
      's_bucket{verb="GET",le="1"} 3',
      's_bucket{verb="GET",le="+Inf"} 4',
      's_sum{verb="GET"} 5.5',
      's_count{verb="GET"} 4',
      '',
    ]);
  });

  test('cannot be broken by what a label says', async () => {
    const metrics = createMetrics();
    metrics
      .counter({ name: 'c_total', help: 'h', labels: ['path'] })
      .of('a"b\\c\nd')
      .add();
    assert.match(await metrics.text(), /^c_total\{path="a\\"b\\\\c\\nd"\} 1$/m);
  });

  test('take a bounded number of label values, and count the rest together', async () => {
    const metrics = createMetrics();
    const counter = metrics.counter({ name: 'c_total', help: 'h', labels: ['name'] });
    for (let at = 0; at < seriesMax + 10; at += 1) counter.of(`n${at}`).add();
    counter.of('n0').add();
    const text = await metrics.text();
    assert.match(text, /^c_total\{name="n0"\} 2$/m);
    assert.match(text, /^c_total\{name="other"\} 10$/m);
    assert.equal(text.split('\n').length, 2 + seriesMax + 1 + 1);
  });

  test('that cannot be read are left out, and nothing else is', async () => {
    const metrics = createMetrics();
    const failing = () => Promise.reject(new Error('no /proc here'));
    metrics.read({ name: 'broken', help: 'h', type: 'gauge', values: failing });
    metrics.read({ name: 'whole', help: 'h', type: 'gauge', values: () => 1 });
    assert.equal(await metrics.text(), '# HELP whole h\n# TYPE whole gauge\nwhole 1\n');
  });

  test('have one owner: a second of the same name is a programmer error', () => {
    const metrics = createMetrics();
    metrics.counter({ name: 'c_total', help: 'h' });
    assert.throws(() => metrics.counter({ name: 'c_total', help: 'h' }), TypeError);
  });
});
