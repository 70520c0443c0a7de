import type { Container, Pod } from '../../protocol/generated/models.ts';

/**
 * Volumes that are the files of an image (`volumes[].image`). The engine mounts them; here each is fetched as if it were
 * the image of a container, under a name that no container has.
 */
export function imageVolumes({ spec }: Pod): Container[] {
  return (spec?.volumes ?? []).flatMap(({ name, image }) => {
    if (!image) return [];
    const { reference = '', pullPolicy } = image;
    const policy = pullPolicy === undefined ? {} : { imagePullPolicy: pullPolicy };
    return [{ name: `${prefix}${name}`, image: reference, ...policy }];
  });
}

/** Those that the container has among its files. */
export function imageVolumesOf(pod: Pod, { volumeMounts = [] }: Container): Container[] {
  const mounted = new Set(volumeMounts.map(({ name }) => `${prefix}${name}`));
  return imageVolumes(pod).filter(({ name }) => mounted.has(name));
}

/** Whether what was fetched under that name is a volume. */
export function isImageVolume(name: string): boolean {
  return name.startsWith(prefix);
}

const prefix = 'volume/';
