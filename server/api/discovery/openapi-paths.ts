import type { KindDefinition, Verb } from '../../../protocol/kinds/define-kind.ts';
import { refTo } from '../../../protocol/schema/schema.ts';
import type { GroupVersion } from '../kind-index.ts';
import { type SubresourceVerb, subresourceOf } from '../subresources/subresources.ts';
import { patchMediaTypesOf } from '../verbs/patch-document.ts';

/**
 * The paths of a group version in OpenAPI 3. kubectl reads from them whether the server knows `fieldValidation` and
 * `dryRun`, which patch types it takes, and which schema a kind has.
 */
export function pathsOf({ path: root, kinds }: GroupVersion) {
  const paths: Record<string, PathItem> = {};
  const schemaNames = new Set<string>([deleteOptions, patch, status, watchEvent]);
  for (const kind of kinds) {
    schemaNames.add(kind.schema);
    if (kind.verbs.includes('list')) schemaNames.add(`${kind.schema}List`);
    addKindPaths(paths, `/${root}`, kind);
    for (const name of kind.subresources) {
      const item = subresourceItem(kind, name, schemaNames);
      if (item) paths[`${objectPath(`/${root}`, kind)}/${name}`] = item;
    }
  }
  return { paths, schemaNames };
}

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const deleteOptions = `${meta}.DeleteOptions`;
const patch = `${meta}.Patch`;
const status = `${meta}.Status`;
const watchEvent = `${meta}.WatchEvent`;

export interface PathItem {
  parameters: Parameter[];
  get?: Operation;
  put?: Operation;
  post?: Operation;
  patch?: Operation;
  delete?: Operation;
}

export type Method = 'get' | 'put' | 'post' | 'patch' | 'delete';

export interface Parameter {
  name: string;
  in: 'path' | 'query';
  description: string;
  required?: true;
  schema: { type: 'string' | 'integer' | 'boolean'; uniqueItems?: true };
}

export interface Operation {
  description: string;
  operationId: string;
  tags: string[];
  parameters?: Parameter[];
  requestBody?: { required?: true; content: Content };
  responses: Record<string, { description: string; content?: Content }>;
  'x-kubernetes-action': string;
  'x-kubernetes-group-version-kind': { group: string; version: string; kind: string };
}

type Content = Record<string, { schema: { $ref: string } | { type: 'string' } }>;

function collectionPath(root: string, kind: KindDefinition): string {
  return kind.namespaced ? `${root}/namespaces/{namespace}/${kind.plural}` : `${root}/${kind.plural}`;
}

function objectPath(root: string, kind: KindDefinition): string {
  return `${collectionPath(root, kind)}/{name}`;
}

function addKindPaths(paths: Record<string, PathItem>, root: string, kind: KindDefinition): void {
  const list = operation(kind, 'list', { parameters: listParameters, answer: `${kind.schema}List` });
  paths[collectionPath(root, kind)] = withVerbs(kind, {
    parameters: pathParameters(kind, { named: false }),
    get: list,
    post: operation(kind, 'post', {
      parameters: writeParameters,
      body: kind.schema,
      answer: kind.schema,
      code: 201,
    }),
    delete: operation(kind, 'deletecollection', {
      parameters: listParameters,
      body: deleteOptions,
      answer: status,
    }),
  });
  // What is never stored is asked about as a collection only.
  if (!kind.verbs.includes('get')) return;
  paths[objectPath(root, kind)] = withVerbs(kind, {
    parameters: pathParameters(kind, { named: true }),
    get: operation(kind, 'get', { answer: kind.schema }),
    put: operation(kind, 'put', { parameters: writeParameters, body: kind.schema, answer: kind.schema }),
    patch: patchOperation(kind, kind.schema),
    delete: operation(kind, 'delete', { parameters: deleteParameters, body: deleteOptions, answer: status }),
  });
  if (kind.namespaced)
    paths[`${root}/${kind.plural}`] = {
      parameters: [pretty, ...listParameters],
      get: { ...list, operationId: `${list.operationId}ForAllNamespaces`, parameters: [] },
    };
}

/** Leaves out the methods that the kind does not serve. */
function withVerbs(kind: KindDefinition, item: PathItem): PathItem {
  const verbs: Record<string, Verb> = {
    post: 'create',
    deletecollection: 'deletecollection',
    put: 'update',
    list: 'list',
    get: 'get',
    patch: 'patch',
    delete: 'delete',
  };
  const { parameters, ...operations } = item;
  const served = Object.entries(operations).filter(([, { 'x-kubernetes-action': action }]) => {
    const verb = verbs[action];
    return verb !== undefined && kind.verbs.includes(verb);
  });
  return { parameters, ...Object.fromEntries(served) };
}

function subresourceItem(kind: KindDefinition, name: string, schemaNames: Set<string>): PathItem | undefined {
  const subresource = subresourceOf(kind, name);
  if (!subresource) return undefined;
  const own = subresource.responseKind === undefined;
  const schema = subresource.schema ?? (own && name !== 'log' ? kind.schema : undefined);
  if (schema !== undefined) schemaNames.add(schema);
  const gvk = subresource.responseKind ?? kind;
  const of = { ...kind, group: gvk.group, version: gvk.version, kind: gvk.kind };
  const item: PathItem = { parameters: pathParameters(kind, { named: true }) };
  const methods: Record<SubresourceVerb, Method> = {
    create: 'post',
    delete: 'delete',
    get: 'get',
    patch: 'patch',
    update: 'put',
  };
  for (const verb of subresource.verbs) {
    const method = methods[verb];
    const options =
      schema === undefined ? {} : { answer: schema, ...(verb === 'get' ? {} : { body: schema }) };
    const parameters = verb === 'get' || schema === undefined ? [] : writeParameters;
    item[method] =
      verb === 'patch' && schema !== undefined
        ? patchOperation(of, schema, name)
        : operation(of, schema === undefined ? 'connect' : method, { ...options, parameters, suffix: name });
  }
  return item;
}

interface OperationOptions {
  parameters?: Parameter[];
  body?: string;
  answer?: string;
  code?: number;
  suffix?: string;
}

function operation(kind: KindDefinition, action: string, options: OperationOptions): Operation {
  const { parameters, body, answer, code = 200, suffix = '' } = options;
  const json = (name: string): Content => ({ 'application/json': { schema: { $ref: refTo(name) } } });
  const tag = kind.group === '' ? `core_${kind.version}` : `${kind.group.split('.')[0]}_${kind.version}`;
  return {
    description: `${action} ${suffix ? `${suffix} of ` : ''}${kind.kind}`,
    operationId: `${action}${capitalised(kind.version)}${kind.namespaced ? 'Namespaced' : ''}${kind.kind}${capitalised(suffix)}`,
    tags: [tag],
    ...(parameters && parameters.length > 0 ? { parameters } : {}),
    ...(body === undefined ? {} : { requestBody: { content: json(body) } }),
    responses: {
      [code]: {
        description: 'OK',
        content: answer === undefined ? { 'text/plain': { schema: { type: 'string' } } } : json(answer),
      },
      401: { description: 'Unauthorized' },
    },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group: kind.group, version: kind.version, kind: kind.kind },
  };
}

function patchOperation(kind: KindDefinition, schema: string, suffix = ''): Operation {
  const patchBody: Content = Object.fromEntries(
    patchMediaTypesOf(kind, suffix).map((type) => [type, { schema: { $ref: refTo(patch) } }]),
  );
  return {
    ...operation(kind, 'patch', { parameters: patchParameters, answer: schema, suffix }),
    requestBody: { required: true, content: patchBody },
  };
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function queryParameter(
  name: string,
  type: 'string' | 'integer' | 'boolean',
  description: string,
): Parameter {
  return { name, in: 'query', description, schema: { type, uniqueItems: true } };
}

const pretty = queryParameter('pretty', 'string', 'Print the answer indented.');
const dryRun = queryParameter(
  'dryRun',
  'string',
  'With All, validate and answer as if written, but write nothing.',
);

const listParameters = [
  queryParameter('allowWatchBookmarks', 'boolean', 'Let a watch send BOOKMARK events.'),
  queryParameter('continue', 'string', 'The token of the previous page.'),
  queryParameter('fieldSelector', 'string', 'Restrict to objects whose fields match.'),
  queryParameter('labelSelector', 'string', 'Restrict to objects whose labels match.'),
  queryParameter('limit', 'integer', 'Largest number of objects in the answer.'),
  queryParameter('resourceVersion', 'string', 'The version to read at, or to watch from.'),
  queryParameter('resourceVersionMatch', 'string', 'How resourceVersion is meant: Exact or NotOlderThan.'),
  queryParameter(
    'sendInitialEvents',
    'boolean',
    'Begin a watch with what is there, and mark its end by a bookmark.',
  ),
  queryParameter('timeoutSeconds', 'integer', 'End the call after this many seconds.'),
  queryParameter('watch', 'boolean', 'Stream changes instead of answering a list.'),
];

const writeParameters = [
  dryRun,
  queryParameter('fieldManager', 'string', 'Who makes the change.'),
  queryParameter(
    'fieldValidation',
    'string',
    'What to do about unknown fields: Ignore drops them, Warn (the default) drops them and warns, Strict refuses.',
  ),
];

const patchParameters = [
  ...writeParameters,
  queryParameter('force', 'boolean', 'With server-side apply, take fields that others own, too.'),
];

const deleteParameters = [
  dryRun,
  queryParameter('gracePeriodSeconds', 'integer', 'How long the object may take to end; 0 ends it at once.'),
  queryParameter('orphanDependents', 'boolean', 'Deprecated: use propagationPolicy.'),
  queryParameter(
    'propagationPolicy',
    'string',
    'What happens to dependents: Orphan, Background or Foreground.',
  ),
];

function pathParameters(kind: KindDefinition, { named }: { named: boolean }): Parameter[] {
  const parameter = (name: string, description: string): Parameter => ({
    name,
    in: 'path',
    description,
    required: true,
    schema: { type: 'string', uniqueItems: true },
  });
  return [
    ...(named ? [parameter('name', `Name of the ${kind.kind}.`)] : []),
    ...(kind.namespaced ? [parameter('namespace', 'Namespace of the object.')] : []),
    pretty,
  ];
}
