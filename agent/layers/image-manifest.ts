import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { LayerError } from './layer-error.ts';

/** What is named by its own hash: a layer, or the description of an image. */
export interface Blob {
  /** `sha256:` and 64 hex digits. */
  digest: string;
  /** In bytes, as it travels. */
  size: number;
  mediaType: string;
}

export interface Platform {
  os: string;
  /** In Go's words: `amd64`, `arm64`, `arm`. */
  architecture: string;
  variant?: string;
}

export interface ImageManifest {
  config: Blob;
  /** The lowest first. */
  layers: Blob[];
}

export const manifestMediaTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
] as const;

/** As registries have it. */
export const manifestBytesMax = 4 * 1024 * 1024;
const layersMax = 512;

const digestPattern = /^sha256:[a-f0-9]{64}$/;
const blob = v.object({
  digest: v.pipe(v.string(), v.regex(digestPattern)),
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  mediaType: v.optional(v.string(), ''),
});
const image = v.object({ config: blob, layers: v.pipe(v.array(blob), v.maxLength(layersMax)) });
const platform = v.object({
  os: v.string(),
  architecture: v.string(),
  variant: v.optional(v.string()),
});
const index = v.object({ manifests: v.array(v.object({ ...blob.entries, platform: v.optional(platform) })) });

export function isDigest(text: string): boolean {
  return digestPattern.test(text);
}

export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** A manifest, or the digest of the one for this platform when it is a list of several. Throws LayerError `WrongContent` or `NotFound`. */
export function readManifest(
  content: Uint8Array,
  wanted: Platform,
): { manifest: ImageManifest } | { chosen: Blob } {
  const parsed = parseJson(content);
  const list = v.safeParse(index, parsed);
  if (list.success) return { chosen: choose(list.output.manifests, wanted) };
  const one = v.safeParse(image, parsed);
  if (!one.success)
    throw new LayerError('WrongContent', 'the registry answered with no manifest that is understood here');
  return { manifest: one.output };
}

/** What a manifest names; nothing when it is a list of manifests. Throws LayerError `WrongContent`. */
export function readBlobs(content: Uint8Array): Blob[] {
  const parsed = parseJson(content);
  const one = v.safeParse(image, parsed);
  if (one.success) return [one.output.config, ...one.output.layers];
  if (v.is(index, parsed)) return [];
  throw new LayerError('WrongContent', 'the registry answered with no manifest that is understood here');
}

type Listed = v.InferOutput<typeof index>['manifests'];

function choose(manifests: Listed, { os, architecture, variant }: Platform): Blob {
  const fitting = manifests.filter(
    (one) => one.platform?.os === os && one.platform.architecture === architecture,
  );
  const chosen = fitting.find((one) => one.platform?.variant === variant) ?? lesser(fitting, variant);
  if (chosen) return chosen;
  const asked = [os, architecture, variant].filter(Boolean).join('/');
  throw new LayerError('NotFound', `there is no image for ${asked} among those of this name`);
}

/** A processor runs what was built for an earlier variant of it: v6 on v7, and never the other way. */
function lesser(fitting: Listed, variant: string | undefined): Blob | undefined {
  return fitting
    .filter(({ platform: own }) => variant === undefined || (own?.variant ?? '') <= variant)
    .sort((one, other) => ((one.platform?.variant ?? '') < (other.platform?.variant ?? '') ? 1 : -1))[0];
}

function parseJson(content: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString()) as unknown;
  } catch (cause) {
    throw new LayerError('WrongContent', 'the registry answered with no JSON where a manifest was due', {
      cause,
    });
  }
}
