import { StatusError } from '../../../protocol/status.ts';

/** How an answer shall be written. */
export interface Representation {
  format: 'json' | 'yaml';
  /** Another shape of the same data; absent: the objects themselves. */
  as?: Transformation;
}

export interface Transformation {
  kind: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
  /** `meta.k8s.io/v1` or `meta.k8s.io/v1beta1`. */
  apiVersion: string;
}

export interface MediaRange {
  /** Such as `application/json`, lower case. */
  type: string;
  parameters: Readonly<Record<string, string>>;
  quality: number;
}

const offered = ['application/json', 'application/yaml'];

/** What the client likes best of what we have. Throws NotAcceptable only when nothing in `accept` fits. */
export function negotiate(accept: string | undefined, options: { transforms: boolean }): Representation {
  const ranges = parseAccept(accept);
  if (ranges.length === 0) return { format: 'json' };
  for (const range of ranges) {
    const format = formatOf(range.type);
    if (!format) continue;
    if (range.parameters.as === undefined) return { format };
    const as = options.transforms ? transformationOf(range.parameters) : undefined;
    if (as) return { format, as };
  }
  throw notAcceptable(offered);
}

export function notAcceptable(types: readonly string[]): StatusError {
  return new StatusError('NotAcceptable', `only the following media types are accepted: ${types.join(', ')}`);
}

/** Ranges of an Accept header, best first; equally good ones in the order of the header. */
export function parseAccept(header: string | undefined): MediaRange[] {
  if (header === undefined || header.trim() === '') return [];
  const ranges = header.split(',').flatMap((part) => parseMediaType(part) ?? []);
  return ranges.filter(({ quality }) => quality > 0).sort((a, b) => b.quality - a.quality);
}

export function parseMediaType(text: string): MediaRange | undefined {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim());
  if (!type.includes('/')) return undefined;
  const parameters: Record<string, string> = Object.create(null);
  for (const parameter of rest) {
    const [key = '', value = ''] = parameter.split('=', 2);
    parameters[key.trim().toLowerCase()] = value.trim().replaceAll('"', '');
  }
  const quality = Number(parameters.q ?? 1);
  return { type: type.toLowerCase(), parameters, quality: Number.isFinite(quality) ? quality : 0 };
}

function formatOf(type: string): Representation['format'] | undefined {
  switch (type) {
    case '*/*':
    case 'application/*':
    case 'application/json':
      return 'json';
    case 'application/yaml':
      return 'yaml';
    default:
      return undefined;
  }
}

function transformationOf(parameters: MediaRange['parameters']): Transformation | undefined {
  const { as, g: group, v: version } = parameters;
  if (group !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) return undefined;
  if (as !== 'Table' && as !== 'PartialObjectMetadata' && as !== 'PartialObjectMetadataList')
    return undefined;
  return { kind: as, apiVersion: `meta.k8s.io/${version}` };
}

export function acceptsGzip(acceptEncoding: string | string[] | undefined): boolean {
  return /(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?:,|$)/i.test(
    String(acceptEncoding ?? ''),
  );
}
