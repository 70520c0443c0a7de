import type { Container, PodSpec } from '../../../../protocol/generated/models.ts';
import { container } from '../pods/plan-cases.ts';

/**
 * What becomes of a field of a pod: the words of the table behind every-field.test.ts. A field is written as its path
 * below `spec`, without indexes; init and ephemeral containers are meant with `containers`.
 */
export type Fate =
  /** The device does something else with `to` than with `from`. */
  | { is: 'acted on'; from: Partial<PodSpec>; to: Partial<PodSpec> }
  /** Decided elsewhere, by this source, which names it. */
  | { is: 'read'; source: string }
  /** The device does not take the pod, in these words. */
  | { is: 'refused'; spec: Partial<PodSpec>; words: RegExp }
  /** The API does not store it, in these words. */
  | { is: 'rejected'; spec: Partial<PodSpec>; words: RegExp }
  /** It has nothing to say here. */
  | { is: 'nothing'; why: string };

export interface Row {
  /** With `below`, all fields below this one too. */
  path: string;
  below?: boolean;
  fate: Fate;
  /** For host processes, where that is another one. */
  process?: Fate;
}

export const refused = (spec: Partial<PodSpec>, words: RegExp): Fate => ({ is: 'refused', spec, words });
export const rejected = (spec: Partial<PodSpec>, words: RegExp): Fate => ({ is: 'rejected', spec, words });
export const nothing = (why: string): Fate => ({ is: 'nothing', why });

export const actedOn = (path: string, to: Partial<PodSpec>, from: Partial<PodSpec> = {}): Row => ({
  path,
  fate: { is: 'acted on', from, to },
});

/** The spec of a pod whose one container is so. */
export const app = (more: Partial<Container>): Partial<PodSpec> => ({ containers: [container('app', more)] });

export const inContainer = (path: string, to: Partial<Container>, from: Partial<Container> = {}): Row =>
  actedOn(`containers.${path}`, app({ ...from, ...to }), app(from));

/** Fields of these names below `under`, all read by one source. */
export const readBy = (source: string, under: string, ...names: string[]): Row[] =>
  names.map((name) => ({ path: under === '' ? name : `${under}.${name}`, fate: { is: 'read', source } }));

export const wholly = (path: string, fate: Fate): Row => ({ path, below: true, fate });
