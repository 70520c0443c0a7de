import type { Logger } from '../../../lib/log.ts';
import type { Arrivals } from '../../layers/count-arrivals.ts';
import { LayerError } from '../../layers/layer-error.ts';
import type { EngineMirror } from '../../layers/layers.ts';
import type { OpenLayers } from '../../layers/layers-when-needed.ts';
import type { RegistryCredential } from '../driver.ts';
import type { Engine, EngineAnswer } from './engine.ts';

/** How an engine gets an image: by way of this device's layers where it can be told to, else by itself. */
export interface PullWay extends Disposable {
  /** In place of the host's `registries.conf`. */
  readonly registries: string | undefined;
  /** Undefined where the engine fetches by itself. */
  readonly arrivals: Arrivals | undefined;
  /** The engine's answer in words for people. */
  ended(answer: EngineAnswer): Promise<EngineAnswer>;
}

export interface PullWayOptions {
  engine: Engine;
  layers?: OpenLayers;
  log: Logger;
}

/** Only podman takes a mirror for one pull from its environment; docker's daemon has one for Docker Hub alone, in its settings. */
export function takesMirror({ command }: Engine): boolean {
  return command === 'podman';
}

export async function openPullWay(
  image: string,
  credential: RegistryCredential | undefined,
  { engine, layers: open, log }: PullWayOptions,
): Promise<PullWay> {
  if (!open || !takesMirror(engine)) return directWay;
  try {
    const layers = await open();
    const mirror = await layers.mirror(image, credential);
    if (!mirror) return directWay;
    return {
      registries: mirror.settings,
      arrivals: mirror.arrivals,
      async ended(answer) {
        if (answer.exitCode !== 0) return { ...answer, message: explain(answer.message, mirror) };
        await layers.finished(mirror.digests);
        return answer;
      },
      [Symbol.dispose]: () => mirror[Symbol.dispose](),
    };
  } catch (error) {
    // The engine says it better, of a repository that is blocked for one.
    if (!(error instanceof LayerError))
      log.warn('layers cannot be kept; the engine pulls by itself', { error });
    return directWay;
  }
}

const directWay: PullWay = {
  registries: undefined,
  arrivals: undefined,
  ended: async (answer) => answer,
  [Symbol.dispose]: () => {},
};

/** Without the mirror, which is no place that anybody knows and another at every pull. */
function explain(message: string, { location, failure }: EngineMirror): string {
  if (failure) return failure.message;
  const place = location.replaceAll('.', String.raw`\.`);
  const alone = new RegExp(String.raw`\(Mirrors also failed: \[${place}(?:(?!\] \[).)*?\]\): `, 's');
  return message.replace(alone, '').replaceAll(location, 'this device');
}
