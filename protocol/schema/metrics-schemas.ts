import { refTo, type Schema } from './schema.ts';
import { metaPrefix, quantityName, timeName } from './well-known.ts';

/** The objects of metrics.k8s.io/v1beta1, which the official client has no models of. */
export const metricsPrefix = 'io.k8s.metrics.pkg.apis.metrics.v1beta1';

const typeFields: Record<string, Schema> = {
  apiVersion: { type: 'string', description: 'The group and version of this object.' },
  kind: { type: 'string', description: 'The kind of this object.' },
};

const window: Record<string, Schema> = {
  timestamp: {
    description: 'The end of the time over which CPU was averaged; memory is as it was then.',
    allOf: [{ $ref: refTo(timeName) }],
  },
  window: { type: 'string', description: 'How long that time was, such as 15s.' },
};

const amounts: Record<string, Schema> = {
  usage: {
    type: 'object',
    description: 'What is used of each resource: `cpu` in cores, `memory` as the working set in bytes.',
    additionalProperties: { $ref: refTo(quantityName) },
  },
};

export const metricsSchemas: Record<string, Schema> = {
  ...object('NodeMetrics', 'What a node uses.', { ...window, ...amounts }),
  ...object('PodMetrics', 'What the containers of a pod use.', {
    ...window,
    containers: {
      type: 'array',
      description: 'Of each container that runs.',
      items: { $ref: refTo(`${metricsPrefix}.ContainerMetrics`) },
    },
  }),
  [`${metricsPrefix}.ContainerMetrics`]: {
    description: 'What a container uses.',
    type: 'object',
    required: ['name', 'usage'],
    properties: {
      name: { type: 'string', description: "The container's name in its pod." },
      ...amounts,
    },
  },
};

function object(
  kind: string,
  description: string,
  properties: Record<string, Schema>,
): Record<string, Schema> {
  const name = `${metricsPrefix}.${kind}`;
  const gvk = (of: string) => ({
    'x-kubernetes-group-version-kind': [{ group: 'metrics.k8s.io', version: 'v1beta1', kind: of }],
  });
  return {
    [name]: {
      description,
      type: 'object',
      required: Object.keys(properties),
      properties: { ...typeFields, ...metadata('ObjectMeta'), ...properties },
      ...gvk(kind),
    },
    [`${name}List`]: {
      description: `A list of ${kind}.`,
      type: 'object',
      required: ['items'],
      properties: {
        ...typeFields,
        ...metadata('ListMeta'),
        items: { type: 'array', description: `${kind} of each.`, items: { $ref: refTo(name) } },
      },
      ...gvk(`${kind}List`),
    },
  };
}

function metadata(type: 'ObjectMeta' | 'ListMeta'): Record<string, Schema> {
  return {
    metadata: { description: 'Standard metadata.', allOf: [{ $ref: refTo(`${metaPrefix}.${type}`) }] },
  };
}
