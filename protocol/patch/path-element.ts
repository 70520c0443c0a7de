/**
 * The steps of a field's path as FieldsV1 writes them: `f:name`, `k:{"name":"web"}` (the item of a list with these
 * keys),
 * `v:"x"` (the item of a set), `i:0` (the item at an index).
 */
export function fieldElement(name: string): string {
  return `f:${name}`;
}

/** `keys` in order of their names. */
export function keyElement(keys: readonly (readonly [string, unknown])[]): string {
  return `k:{${keys.map(([name, value]) => `${JSON.stringify(name)}:${canonical(value)}`).join(',')}}`;
}

export function valueElement(value: unknown): string {
  return `v:${canonical(value)}`;
}

export function indexElement(index: number): string {
  return `i:${index}`;
}

/** The element in the one spelling that is compared; undefined when it is none. */
export function readElement(text: string): string | undefined {
  const rest = text.slice(2);
  switch (text.slice(0, 2)) {
    case 'f:':
      return text;
    case 'i:':
      return /^\d{1,9}$/.test(rest) ? text : undefined;
    case 'k:': {
      const keys = parse(rest);
      return isObject(keys) ? `k:${canonical(keys)}` : undefined;
    }
    case 'v:': {
      const value = parse(rest);
      return value === undefined ? undefined : valueElement(value);
    }
    default:
      return undefined;
  }
}

/** A path as people read it in a conflict: `.spec.containers[name="web"].image`. */
export function pathText(path: readonly string[]): string {
  return path.map(elementText).join('');
}

function elementText(element: string): string {
  const rest = element.slice(2);
  switch (element.slice(0, 2)) {
    case 'f:':
      return `.${rest}`;
    case 'k:': {
      const keys = Object.entries(parse(rest) as object);
      return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`;
    }
    case 'v:':
      return `[=${rest}]`;
    default:
      return `[${rest}]`;
  }
}

/** JSON without spaces, the fields of objects in order of their names. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const fields = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${fields.join(',')}}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
