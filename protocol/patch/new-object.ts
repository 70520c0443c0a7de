import { isObject, type JsonObject } from './json-value.ts';

/**
 * What an object has in Kubernetes before anybody set a field: structs that its types hold by value, and the list of
 * containers. Their creators do not own them, only what is in them.
 */
const podSpec = { containers: [] };
const podTemplate = { metadata: {}, spec: podSpec };
const heldByValue = {
  metadata: {},
  spec: {
    ...podSpec,
    strategy: {},
    updateStrategy: {},
    template: podTemplate,
    jobTemplate: { metadata: {}, spec: { template: podTemplate } },
  },
  status: {},
};

/** The object that creating `object` begins with, as far as `object` has its parts. */
export function emptyFormOf(object: object): JsonObject {
  return commonPart(heldByValue, object as JsonObject);
}

function commonPart(form: JsonObject, object: JsonObject): JsonObject {
  const common: JsonObject = {};
  for (const [name, inner] of Object.entries(form)) {
    const value = Object.hasOwn(object, name) ? object[name] : undefined;
    if (isObject(inner) && isObject(value)) common[name] = commonPart(inner, value);
    else if (Array.isArray(inner) && Array.isArray(value)) common[name] = inner;
  }
  return common;
}
