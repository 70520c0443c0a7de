import * as v from 'valibot';

/**
 * An entry of the desired set of a device that is at a site (its Node has the label): which devices of that site it may ask
 * for layers of images. Some of them where there are many.
 */
export const neighboursKey = 'Neighbours/site';
export const siteLabel = 'topology.kubernetes.io/zone';
/** On a Node: the port at which the device gives layers to devices of its site. */
export const layersPortAnnotation = 'flotilla.dev/layers-port';

const text = v.pipe(v.string(), v.maxLength(253));
export const neighboursSchema = v.object({
  site: text,
  devices: v.pipe(
    v.array(
      v.object({
        name: text,
        addresses: v.array(text),
        port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
      }),
    ),
    v.maxLength(64),
  ),
});
export type Neighbours = v.InferOutput<typeof neighboursSchema>;
