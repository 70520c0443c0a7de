/** Image names as Kubernetes means them: `nginx` is Docker Hub's, whatever the engine's own search list says. */
const part = '[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*';
const host = '[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\\d{1,5})?';
const tag = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const reference = new RegExp(`^(?:${host}/)?${part}(?:/${part})*(?::${tag})?(?:@sha256:[a-f0-9]{64})?$`);
const referenceLengthMax = 512;

export function isImageReference(image: string): boolean {
  return image.length <= referenceLengthMax && reference.test(image);
}

/** Made on this device and known to no registry: never pulled. `localhost:5000/…` is a registry. */
export function isLocalOnly(image: string): boolean {
  return image.startsWith('localhost/');
}

/** With the registry written out. */
export function qualifiedReference(image: string): string {
  const [first = '', ...rest] = image.split('/');
  if (rest.length === 0) return `docker.io/library/${image}`;
  return first === 'localhost' || /[.:]/.test(first) ? image : `docker.io/${image}`;
}

export interface ImageName {
  /** With its port, if it has one: `docker.io`, `127.0.0.1:5000`. */
  registry: string;
  /** `library/nginx`. */
  path: string;
  /** `latest` when the name says neither a tag nor a digest. */
  tag: string | undefined;
  digest: string | undefined;
}

export function parseImageName(image: string): ImageName {
  const [name = '', digest] = qualifiedReference(image).split('@');
  const slash = name.indexOf('/');
  const [path = '', tag] = name.slice(slash + 1).split(':');
  return { registry: name.slice(0, slash), path, tag: tag ?? (digest ? undefined : 'latest'), digest };
}
