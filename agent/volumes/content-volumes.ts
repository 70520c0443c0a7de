import type { Volume } from '../../protocol/generated/models.ts';
import { type ContentSource, contentInputs, prepareContent } from './content.ts';
import type { VolumePlugin } from './volume-plugin.ts';

export const configMapVolume = contentPlugin('configMap', (configMap) => ({
  sources: [{ configMap }],
  defaultMode: configMap.defaultMode,
}));

export const secretVolume = contentPlugin('secret', ({ secretName, items, optional, defaultMode }) => ({
  sources: [{ secret: { ...present({ items, optional }), name: secretName ?? '' } }],
  defaultMode,
}));

export const downwardApiVolume = contentPlugin('downwardAPI', (downwardAPI) => ({
  sources: [{ downwardAPI }],
  defaultMode: downwardAPI.defaultMode,
}));

export const projectedVolume = contentPlugin('projected', ({ sources = [], defaultMode }) => ({
  sources,
  defaultMode,
}));

function contentPlugin<Field extends keyof Volume>(
  field: Field,
  read: (source: NonNullable<Volume[Field]>) => {
    sources: readonly ContentSource[];
    defaultMode: number | undefined;
  },
): VolumePlugin<NonNullable<Volume[Field]>> {
  return {
    field,
    inputs: (source, pod) => contentInputs(read(source).sources, pod),
    prepare(source, context) {
      const { sources, defaultMode } = read(source);
      return prepareContent(sources, defaultMode, context);
    },
  };
}

function present<T extends object>(fields: T): { [Key in keyof T]?: NonNullable<T[Key]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: NonNullable<T[Key]>;
  };
}
