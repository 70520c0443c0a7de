import * as v from 'valibot';
import { defineTopic } from './define-topic.ts';

/**
 * What a device and its pods use, told only when the server asks: an idle device says nothing (docs/decisions/0200).
 * Both go at QoS 0; an answer that is lost is a figure that is missing once.
 */
const text = v.pipe(v.string(), v.maxLength(253));
const amount = v.pipe(v.number(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));
/** Nanocores, then bytes of working set: short, because this travels every few seconds while somebody watches. */
const figures = v.tuple([amount, amount]);

export const measuredPodsMax = 500;

export const measure = defineTopic({
  name: 'measure',
  pattern: 'nodes/{node}/down/measure',
  way: 'down',
  qos: 0,
  connection: 'control',
  schema: v.object({
    id: text,
    /** Uids of the pods that matter; absent: all. */
    pods: v.optional(v.pipe(v.array(text), v.maxLength(measuredPodsMax))),
  }),
});

export const usage = defineTopic({
  name: 'usage',
  pattern: 'nodes/{node}/up/usage',
  way: 'up',
  qos: 0,
  connection: 'control',
  schema: v.object({
    id: text,
    /** The time over which CPU was averaged. */
    windowMs: amount,
    /** How long ago the window ended, for a device whose clock is not to be believed. */
    ageMs: amount,
    /** Absent where the device cannot tell. */
    node: v.optional(figures),
    /** By uid, then by container; what does not run is left out. */
    pods: v.record(text, v.record(text, figures)),
  }),
});
