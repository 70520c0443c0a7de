/** A message of a `.proto` file, with the subset of the language that Kubernetes' generated files use. */
export interface ProtoMessage {
  name: string;
  fields: ProtoField[];
}

export interface ProtoField {
  number: number;
  name: string;
  /** A scalar such as `int32`, a message of the same package, or `.<package>.<message>`. */
  type: string;
  shape: 'one' | 'list' | 'map';
}

/** Throws on anything that it does not know, so that nothing is left out in silence. */
export function parseProto(source: string): { package: string; messages: ProtoMessage[] } {
  const text = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  const packageName = /^package ([\w.]+);$/m.exec(text)?.[1];
  if (packageName === undefined) throw new Error('the .proto file names no package');
  const messages: ProtoMessage[] = [];
  const rest = text
    .replaceAll(/^(?:syntax = "proto2"|package [\w.]+|import ".*"|option \w+ = .*);$/gm, '')
    .replaceAll(/^message (\w+) \{([^{}]*)\}/gm, (_all, name: string, body: string) => {
      messages.push({ name, fields: parseFields(name, body) });
      return '';
    });
  if (rest.trim() !== '') throw new Error(`${packageName}: not understood: ${rest.trim().slice(0, 80)}`);
  return { package: packageName, messages };
}

function parseFields(message: string, body: string): ProtoField[] {
  const fields: ProtoField[] = [];
  const rest = body.replaceAll(
    /(?:(optional|repeated) ([\w.]+)|map<string, ([\w.]+)>) (\w+) = (\d+);/g,
    (_all, label?: string, type?: string, values?: string, name = '', number = '') => {
      const shape = values === undefined ? shapeOf(label) : 'map';
      fields.push({ number: Number(number), name, type: values ?? type ?? '', shape });
      return '';
    },
  );
  if (rest.trim() !== '') throw new Error(`${message}: not understood: ${rest.trim().slice(0, 80)}`);
  return fields.sort((a, b) => a.number - b.number);
}

function shapeOf(label: string | undefined): 'one' | 'list' {
  return label === 'repeated' ? 'list' : 'one';
}
