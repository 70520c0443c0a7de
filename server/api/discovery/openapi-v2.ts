import { refOf, type Schema } from '../../../protocol/schema/schema.ts';
import { addOpenApiPart } from '../aggregation/merged-openapi.ts';
import type { ApiServices } from '../exchange.ts';
import { ownGroupVersions } from './discovery.ts';
import { type Operation, type Parameter, type PathItem, pathsOf } from './openapi-paths.ts';
import { schemasReachableFrom } from './openapi-v3.ts';

/** `/openapi/v2`: the same API for clients from before OpenAPI 3, all groups in one document. */
export function openApiV2(services: ApiServices) {
  const { kinds, version, aggregated } = services;
  const all = ownGroupVersions(services).map(pathsOf);
  const names = new Set(all.flatMap(({ schemaNames }) => [...schemaNames]));
  const paths = all.flatMap(({ paths }) => Object.entries(paths));
  const definitions = Object.entries(schemasReachableFrom(names, kinds.kinds));
  const document: { paths: Record<string, unknown>; definitions: Record<string, unknown> } = {
    paths: Object.fromEntries(paths.map(([path, item]) => [path, pathItemV2(item)])),
    definitions: Object.fromEntries(definitions.map(([name, schema]) => [name, schemaV2(schema)])),
  };
  for (const { openApi } of aggregated.list()) if (openApi.v2) addOpenApiPart(document, openApi.v2);
  return { swagger: '2.0', info: { title: 'Kubernetes', version: version.gitVersion }, ...document };
}

function pathItemV2({ parameters, ...operations }: PathItem) {
  const converted = Object.entries(operations).map(([method, operation]) => [method, operationV2(operation)]);
  return { parameters: parameters.map(parameterV2), ...Object.fromEntries(converted) };
}

function operationV2({ parameters = [], requestBody, responses, ...rest }: Operation) {
  const content = requestBody?.content ?? {};
  const [schema] = Object.values(content).map((body) => body.schema);
  const body = schema ? [{ name: 'body', in: 'body', required: true, schema: referenceV2(schema) }] : [];
  const answers = Object.entries(responses).map(([code, { description, content: answer }]) => {
    const answerSchema = answer?.['application/json']?.schema;
    return [code, { description, ...(answerSchema ? { schema: referenceV2(answerSchema) } : {}) }];
  });
  return {
    ...rest,
    consumes: schema ? Object.keys(content) : ['*/*'],
    produces: ['application/json'],
    parameters: [...body, ...parameters.map(parameterV2)],
    responses: Object.fromEntries(answers),
  };
}

function parameterV2({ schema, ...rest }: Parameter) {
  return { ...rest, ...schema };
}

function referenceV2(schema: { $ref: string } | { type: 'string' }) {
  return '$ref' in schema ? { $ref: referenceTo(schema.$ref) } : schema;
}

function referenceTo(reference: string): string {
  return reference.replace('#/components/schemas/', '#/definitions/');
}

/** Version 2 has no alternatives and no null, and puts `$ref` beside its neighbours. */
function schemaV2(schema: Schema): object {
  const { $ref: _ref, allOf: _allOf, oneOf, properties, items, additionalProperties, ...others } = schema;
  const {
    anyOf: _anyOf,
    not: _not,
    nullable: _nullable,
    ...rest
  } = others as Schema & Record<string, unknown>;
  const name = refOf(schema);
  return {
    ...rest,
    ...(oneOf && rest.type === undefined ? { type: 'string' } : {}),
    ...(name === undefined ? {} : { $ref: `#/definitions/${name}` }),
    ...(items ? { items: schemaV2(items) } : {}),
    ...(additionalProperties ? { additionalProperties: schemaV2(additionalProperties) } : {}),
    ...(properties
      ? {
          properties: Object.fromEntries(
            Object.entries(properties).map(([key, value]) => [key, schemaV2(value)]),
          ),
        }
      : {}),
  };
}
