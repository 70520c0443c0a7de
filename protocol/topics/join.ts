import * as v from 'valibot';
import { defineTopic } from './define-topic.ts';

/**
 * Joining: a device that has only a token connects without a certificate (MQTT user `join`, password = the token,
 * client id =
 * `join-<id>`), and may use nothing but these two topics with its own id.
 */
const text = v.pipe(v.string(), v.maxLength(4096));

export const joinRequest = defineTopic({
  name: 'joinRequest',
  pattern: 'join/{id}/up',
  way: 'up',
  qos: 1,
  connection: 'join',
  schema: v.object({ node: text, /** PEM, PKCS#10. */ csr: v.pipe(v.string(), v.maxLength(16_384)) }),
});

export const joinResponse = defineTopic({
  name: 'joinResponse',
  pattern: 'join/{id}/down',
  way: 'down',
  qos: 1,
  connection: 'join',
  essential: true,
  schema: v.variant('type', [
    v.object({
      type: v.literal('issued'),
      cluster: text,
      /** PEM. */
      certificate: v.pipe(v.string(), v.maxLength(16_384)),
      ca: v.pipe(v.string(), v.maxLength(16_384)),
    }),
    v.object({ type: v.literal('refused'), reason: text, message: text }),
  ]),
});
