import * as v from 'valibot';
import { LayerError } from '../layers/layer-error.ts';

/** What an image says of how it is to be run. */
export interface ImageConfig {
  entrypoint: readonly string[];
  cmd: readonly string[];
  /** `NAME=value`. */
  environment: readonly string[];
  workingDir: string;
  /** `user`, `user:group`, by name or number; '' for root. */
  user: string;
  stopSignal: string;
}

export const configBytesMax = 4 * 1024 * 1024;
const layersMax = 127;

const words = v.nullish(v.array(v.string()), []);
const word = v.nullish(v.string(), '');
const description = v.object({
  os: word,
  config: v.nullish(
    v.object({ Entrypoint: words, Cmd: words, Env: words, WorkingDir: word, User: word, StopSignal: word }),
    {},
  ),
  rootfs: v.object({
    diff_ids: v.pipe(v.array(v.pipe(v.string(), v.regex(/^sha256:[a-f0-9]{64}$/))), v.maxLength(layersMax)),
  }),
});

/** From the text that an image's id is the hash of. Throws LayerError `WrongContent`. */
export function readImageConfig(text: string): {
  config: ImageConfig;
  /** Of the layers, the lowest first. */
  diffIds: string[];
} {
  const parsed = v.safeParse(description, parseJson(text));
  if (!parsed.success || (parsed.output.os !== '' && parsed.output.os !== 'linux'))
    throw new LayerError('WrongContent', 'it is no image that Linux can run');
  const { config, rootfs } = parsed.output;
  return {
    config: {
      entrypoint: config.Entrypoint ?? [],
      cmd: config.Cmd ?? [],
      environment: config.Env ?? [],
      workingDir: config.WorkingDir ?? '',
      user: config.User ?? '',
      stopSignal: config.StopSignal ?? '',
    },
    diffIds: rootfs.diff_ids,
  };
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
