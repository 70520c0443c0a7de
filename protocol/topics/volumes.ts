import * as v from 'valibot';
import { defineTopic } from './define-topic.ts';

const text = v.pipe(v.string(), v.maxLength(512));

/** The folder of a volume that was to be given back is gone. Said again until the device's set names it no more. */
export const volumeReclaimed = defineTopic({
  name: 'volumeReclaimed',
  pattern: 'nodes/{node}/up/reclaimed',
  way: 'up',
  qos: 1,
  connection: 'control',
  schema: v.object({ name: text, uid: text }),
});
