import type { Environment } from '@marcbachmann/cel-js';
import { fitsFormat } from '../structural/formats.ts';
import { compileGoPattern } from '../structural/go-pattern.ts';

/** Text functions of cel-go's and Kubernetes' libraries that the interpreter lacks. */
export function registerTextLibrary(environment: Environment): void {
  environment
    .registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
      text.replaceAll(from, () => to),
    )
    .registerFunction(
      'string.replace(string, string, int): string',
      (text: string, from: string, to: string, count: bigint) =>
        replaceFirst(text, { from, to, count: Number(count) }),
    )
    .registerFunction(
      'string.charAt(int): string',
      (text: string, at: bigint) => Array.from(text)[Number(at)] ?? '',
    )
    .registerFunction('string.reverse(): string', (text: string) => Array.from(text).reverse().join(''))
    .registerFunction(
      'string.find(string): string',
      (text: string, pattern: string) => find(text, pattern, 1)[0] ?? '',
    )
    .registerFunction('string.findAll(string): list<string>', (text: string, pattern: string) =>
      find(text, pattern, Number.POSITIVE_INFINITY),
    )
    .registerFunction(
      'string.findAll(string, int): list<string>',
      (text: string, pattern: string, count: bigint) =>
        find(text, pattern, count < 0n ? Number.POSITIVE_INFINITY : Number(count)),
    )
    .registerFunction('string.format(list): string', (text: string, values: unknown[]) =>
      format(text, values),
    )
    .registerFunction('isURL(string): bool', isUrl)
    .registerFunction('isUUID(string): bool', (text: string) => fitsFormat(text, 'uuid'));
  registerUrls(environment);
}

function replaceFirst(
  text: string,
  { from, to, count }: { from: string; to: string; count: number },
): string {
  if (count < 0) return text.replaceAll(from, () => to);
  let rest = text;
  let done = '';
  for (let left = count; left > 0; left--) {
    const at = rest.indexOf(from);
    if (at < 0) break;
    done += rest.slice(0, at) + to;
    rest = rest.slice(at + from.length);
  }
  return done + rest;
}

function find(text: string, pattern: string, most: number): string[] {
  const { source, flags } = compileGoPattern(pattern);
  const found: string[] = [];
  for (const [match] of text.matchAll(new RegExp(source, `${flags}g`))) {
    if (found.length >= most) break;
    found.push(match);
  }
  return found;
}

/** The verbs of Go's fmt that CEL knows: %s, %d, %f, %e, %x, %X, %o, %b, with a precision. */
function format(text: string, values: readonly unknown[]): string {
  let next = 0;
  return text.replaceAll(
    /%(?:\.(\d{1,2}))?([sdfexXob%])/g,
    (_whole, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%';
      if (next >= values.length) throw new RangeError(`index ${next} out of range`);
      const value = values[next++];
      switch (verb) {
        case 'f':
          return Number(value).toFixed(Number(precision ?? 6));
        case 'e':
          return Number(value).toExponential(Number(precision ?? 6));
        case 'x':
          return asInteger(value).toString(16);
        case 'X':
          return asInteger(value).toString(16).toUpperCase();
        case 'o':
          return asInteger(value).toString(8);
        case 'b':
          return typeof value === 'boolean' ? String(Number(value)) : asInteger(value).toString(2);
        default:
          return celText(value);
      }
    },
  );
}

function asInteger(value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  throw new TypeError('the formatting clause needs an integer');
}

function celText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(celText).join(', ')}]`;
  if (value instanceof Date) return value.toISOString().replace(/\.000Z$/, 'Z');
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, inner]) => `${key}: ${celText(inner)}`)
      .join(', ')}}`;
  return String(value);
}

class CelUrl {
  readonly url: URL;

  constructor(url: URL) {
    this.url = url;
  }
}

function isUrl(text: string): boolean {
  return URL.canParse(text) || (text.startsWith('/') && URL.canParse(text, 'http://host'));
}

function registerUrls(environment: Environment): void {
  const part = (name: string, read: (url: URL) => string) =>
    environment.registerFunction(`kubernetes.URL.${name}(): string`, ({ url }: CelUrl) => read(url));
  environment
    .registerType('kubernetes.URL', CelUrl)
    .registerFunction('url(string): kubernetes.URL', (text: string) => {
      if (!isUrl(text)) throw new TypeError(`URL parse error during conversion from string: ${text}`);
      return new CelUrl(new URL(text, 'http://host'));
    });
  part('getScheme', (url) => url.protocol.replace(/:$/, ''));
  part('getHost', (url) => url.host);
  part('getHostname', (url) => url.hostname.replaceAll(/[[\]]/g, ''));
  part('getPort', (url) => url.port);
  part('getEscapedPath', (url) => url.pathname);
}
