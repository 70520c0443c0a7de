import * as v from 'valibot';
import { defineTopic } from './define-topic.ts';

/**
 * What admission asks for every pod that may reach the API: an hour and a little, because clients take a token of less than an hour
 * for one of the old kind. As with Kubernetes, the number stands for "nobody chose".
 */
export const tokenSecondsUnchosen = 3607;

/**
 * Tokens of service accounts for the pods of a device. The device asks, and asks again in good time before one runs
 * out, so that a server that starts anew owes nobody anything; docs/decisions/0196-tokens-for-pods-on-devices.md.
 */
const request = {
  podUid: v.pipe(v.string(), v.maxLength(128)),
  /** As the pod's volume says; '' for the API server's own. */
  audience: v.pipe(v.string(), v.maxLength(1024)),
  expirationSeconds: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
};

export const tokenRequest = defineTopic({
  name: 'tokenRequest',
  pattern: 'nodes/{node}/up/token',
  way: 'up',
  qos: 1,
  connection: 'control',
  schema: v.object(request),
});

export const tokenGrant = defineTopic({
  name: 'tokenGrant',
  pattern: 'nodes/{node}/down/token',
  way: 'down',
  qos: 1,
  connection: 'control',
  schema: v.object({
    ...request,
    answer: v.variant('type', [
      v.object({
        type: v.literal('token'),
        token: v.pipe(v.string(), v.maxLength(16 * 1024)),
        /** By the server's clock. */
        issuedAtMs: v.number(),
        expiresAtMs: v.number(),
        /** Of the API, at the host where the device finds the bus. */
        apiPort: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
      }),
      v.object({ type: v.literal('refused'), message: v.pipe(v.string(), v.maxLength(4096)) }),
    ]),
  }),
});
