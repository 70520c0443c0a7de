/**
 * What the `.proto` files of Kubernetes do not say and the Go sources beside them do: how a field is called in
 * JSON, and whether a zero on the wire means that it is absent.
 */
export interface GoField {
  /** '' for a struct whose fields stand among those of the struct around it. */
  jsonName: string;
  /** Written in JSON only when it is not zero, though it is always on the wire. */
  omitsZero: boolean;
}

/**
 * By struct, then by field number. A Go type that is a list of strings and a message on the wire has `list`
 * instead.
 */
export type GoTypes = ReadonlyMap<string, ReadonlyMap<number, GoField> | 'list'>;

export function parseGoTypes(source: string): GoTypes {
  const types = new Map<string, Map<number, GoField> | 'list'>();
  for (const [, name = ''] of source.matchAll(/^type (\w+) \[\]string$/gm)) types.set(name, 'list');
  for (const [, name = '', body = ''] of source.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm))
    types.set(name, parseFields(body));
  return types;
}

function parseFields(body: string): Map<number, GoField> {
  const fields = new Map<number, GoField>();
  for (const [, declared = '', tags = ''] of body.matchAll(/^\t(\w[^`\n]*)`(.*protobuf:.*)`/gm)) {
    const number = Number(/protobuf:"\w+,(\d+)/.exec(tags)?.[1]);
    const json = /json:"([^"]*)"/.exec(tags)?.[1];
    if (json === undefined || json === '-') continue;
    const [jsonName = '', ...options] = json.split(',');
    const pointer = /^\w*\s*\*/.test(declared);
    fields.set(number, { jsonName, omitsZero: options.includes('omitempty') && !pointer });
  }
  return fields;
}
