import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { StatusError } from '../../../../protocol/status.ts';
import { isTrue, readRequestInfo } from '../../../../server/api/request/request-info.ts';

function read(method: string, target: string) {
  const [path = '', query = ''] = target.split('?');
  const info = readRequestInfo(method, path, new URLSearchParams(query));
  if (info.type === 'path') return `${info.verb} ${info.path}`;
  const { verb, group, version, resource, namespace = '-', name = '-', subresource = '-' } = info;
  return [verb, group || 'core', version, resource, namespace, name, subresource].join(' ');
}

describe('what a request asks for', () => {
  const cases: [string, string, string][] = [
    ['GET', '/api/v1/pods', 'list core v1 pods - - -'],
    ['GET', '/api/v1/pods?watch=1', 'watch core v1 pods - - -'],
    ['GET', '/api/v1/pods?watch=false', 'list core v1 pods - - -'],
    ['GET', '/api/v1/namespaces/a/pods/b', 'get core v1 pods a b -'],
    ['GET', '/api/v1/namespaces/a/pods/b?watch=true', 'watch core v1 pods a b -'],
    ['GET', '/api/v1/namespaces/a/pods/b/log', 'get core v1 pods a b log'],
    ['POST', '/api/v1/namespaces/a/pods', 'create core v1 pods a - -'],
    ['PUT', '/apis/apps/v1/namespaces/a/deployments/b/scale', 'update apps v1 deployments a b scale'],
    ['DELETE', '/api/v1/namespaces/a/pods', 'deletecollection core v1 pods a - -'],
    ['DELETE', '/api/v1/nodes/n', 'delete core v1 nodes - n -'],
    ['GET', '/api/v1/namespaces', 'list core v1 namespaces - - -'],
    ['GET', '/api/v1/namespaces/a', 'get core v1 namespaces a a -'],
    ['PUT', '/api/v1/namespaces/a/finalize', 'update core v1 namespaces a a finalize'],
    ['GET', '/api/v1/namespaces/a/status', 'get core v1 namespaces a a status'],
    ['OPTIONS', '/api/v1/namespaces/a/pods/b/proxy/x', 'get core v1 pods a b proxy'],
    ['GET', '/api/v1', 'get /api/v1'],
    ['GET', '/apis/apps', 'get /apis/apps'],
    ['GET', '/api/', 'get /api/'],
    ['GET', '/livez', 'get /livez'],
    ['GET', '/', 'get /'],
  ];
  for (const [method, target, expected] of cases)
    test(`${method} ${target}`, () => assert.equal(read(method, target), expected));
});

describe('a path that two readers could understand differently is refused', () => {
  const tricks = [
    '/api/v1/namespaces/a/../b',
    '/api/v1/namespaces/%2e%2e/pods',
    '/api/v1/namespaces/a/pods/..%2f..%2fsecrets',
    '/api/v1/namespaces/a%2fb/pods',
    '/api//v1/pods',
    '//api/v1/pods',
    '/api/v1/namespaces/./pods',
    '/api/v1/pods/%00',
    '/api/v1/pods/%ff',
    '/api/v1/pods/%zz',
    '/api/v1/pods/a%5cb',
    'https://elsewhere/api',
    '*',
    `/${'a/'.repeat(50)}`,
  ];
  for (const path of tricks)
    test(path.slice(0, 60), () =>
      assert.throws(
        () => read('GET', path),
        (error) => error instanceof StatusError && error.reason === 'BadRequest',
      ),
    );
});

test('a method that means nothing to the API is refused', () => {
  assert.throws(
    () => read('TRACE', '/api/v1/pods'),
    (error) => error instanceof StatusError && error.reason === 'MethodNotAllowed',
  );
});

test('a boolean of the query is read as Kubernetes reads it, whichever client writes it', () => {
  for (const no of [null, 'false', 'False', '0']) assert.equal(isTrue(no), false, String(no));
  for (const yes of ['', 'true', 'True', '1', 'no']) assert.equal(isTrue(yes), true, yes);
});
