import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../lib/clock.ts';
import type { RegistryCredential } from '../drivers/driver.ts';
import { type AskHttp, createAskHttp, readBody } from './ask-http.ts';
import type { BlobAnswer, BlobSource } from './fetch-blob.ts';
import { digestOf, isDigest, manifestBytesMax, manifestMediaTypes } from './image-manifest.ts';
import { LayerError } from './layer-error.ts';
import { createLogIn, type LogIn } from './registry-log-in.ts';

/** Where a repository is to be had, and how. */
export interface Endpoint {
  /** With its port if there is one. */
  host: string;
  /** Of the repository there. */
  path: string;
  /** Certificates are not checked, and plain HTTP will do. */
  insecure: boolean;
  /** PEM, beside those that the host trusts. */
  authorities: readonly string[];
  /** Which references it may be asked for. */
  answers: 'all' | 'digests' | 'tags';
}

export interface RawManifest {
  content: Buffer;
  mediaType: string;
  digest: string;
}

/** A repository of images, as one log-in sees it. */
export interface Repository {
  /** By tag or digest; the digest is checked. @throws LayerError, of the last endpoint */
  manifest(reference: string, options: ManifestOptions): Promise<RawManifest>;
  /** Its endpoints, for blobs. */
  readonly sources: readonly BlobSource[];
}

interface ManifestOptions {
  signal: AbortSignal;
  /** Media types; all that are known unless given. */
  accept?: string;
}

export interface RepositoryOptions {
  /** In the order that they are asked in. */
  endpoints: readonly Endpoint[];
  /** Said to the registry that it is of, and to no other. */
  credential: RegistryCredential | undefined;
  environment: NodeJS.ProcessEnv;
  clock: Clock;
}

export function createRepository({ endpoints, credential, ...host }: RepositoryOptions): Repository {
  const places = endpoints.map((endpoint) => {
    const own = credential?.registry === endpoint.host ? credential : undefined;
    return createPlace(endpoint, own, host);
  });
  return {
    sources: places.filter(({ endpoint }) => endpoint.answers !== 'tags'),
    async manifest(reference, options) {
      const kind = isDigest(reference) ? 'digests' : 'tags';
      let failure = new LayerError('NotFound', `nobody is to be asked for ${reference}`);
      for (const place of places) {
        if (place.endpoint.answers !== 'all' && place.endpoint.answers !== kind) continue;
        try {
          return await place.manifest(reference, options);
        } catch (error) {
          options.signal.throwIfAborted();
          if (!(error instanceof LayerError)) throw error;
          failure = error;
        }
      }
      throw failure;
    },
  };
}

interface Place extends BlobSource {
  readonly endpoint: Endpoint;
  manifest(reference: string, options: ManifestOptions): Promise<RawManifest>;
}

function createPlace(
  endpoint: Endpoint,
  credential: RegistryCredential | undefined,
  { clock, environment }: Pick<RepositoryOptions, 'clock' | 'environment'>,
): Place {
  const ask = createAskHttp({ ...endpoint, clock, environment });
  const logIn = createLogIn({ ask, clock, credential, scope: `repository:${endpoint.path}:pull` });
  const get = createGet(endpoint, ask, logIn);
  return {
    endpoint,
    name: endpoint.host,
    isPeer: false,
    async manifest(reference, { signal, accept = manifestMediaTypes.join(', ') }) {
      const answer = await get(`manifests/${reference}`, { Accept: accept }, signal);
      const content = await readBody(answer, manifestBytesMax);
      requireOk(answer, endpoint, reference, content);
      const digest = digestOf(content);
      if (isDigest(reference) && digest !== reference)
        throw new LayerError('WrongContent', `${endpoint.host} gave ${digest} for ${reference}`);
      return { content, digest, mediaType: answer.headers['content-type'] ?? '' };
    },
    async open({ digest }, { offset, signal }): Promise<BlobAnswer> {
      const range = offset > 0 ? { Range: `bytes=${offset}-` } : {};
      const answer = await get(`blobs/${digest}`, { 'Accept-Encoding': 'identity', ...range }, signal);
      if (answer.statusCode === 206) return { from: rangeStart(answer) ?? offset, body: answer };
      if (answer.statusCode === 200) return { from: 0, body: answer };
      requireOk(answer, endpoint, digest, await readBody(answer, manifestBytesMax));
      throw new LayerError('Unreachable', `${endpoint.host} answered ${answer.statusCode} for ${digest}`);
    },
  };
}

type Get = (
  path: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<IncomingMessage>;

function createGet({ host, path: repository, insecure }: Endpoint, ask: AskHttp, logIn: LogIn): Get {
  const schemes = insecure ? ['https', 'http'] : ['https'];
  let known: string | undefined;
  const askBy = async (scheme: string, ...[path, headers, signal]: Parameters<Get>) => {
    const url = new URL(`${scheme}://${apiHost(host)}/v2/${repository}/${path}`);
    const asked = () => {
      const Authorization = logIn.authorization();
      return ask({ url, signal, headers: { ...headers, ...(Authorization ? { Authorization } : {}) } });
    };
    const answer = await asked();
    const challenge = answer.headers['www-authenticate'];
    if (answer.statusCode !== 401 || challenge === undefined) return answer;
    answer.resume();
    await logIn.answer(challenge, signal);
    return asked();
  };
  return async (...what) => {
    if (known !== undefined) return askBy(known, ...what);
    for (const scheme of schemes.slice(0, -1))
      try {
        const answer = await askBy(scheme, ...what);
        known = scheme;
        return answer;
      } catch (error) {
        if (!(error instanceof LayerError) || error.code !== 'Unreachable') throw error;
      }
    const last = schemes.at(-1) ?? 'https';
    const answer = await askBy(last, ...what);
    known = last;
    return answer;
  };
}

/** Docker Hub's API is at another name than its images. */
function apiHost(host: string): string {
  return host === 'docker.io' ? 'registry-1.docker.io' : host;
}

function rangeStart({ headers }: IncomingMessage): number | undefined {
  const start = /^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1];
  return start === undefined ? undefined : Number(start);
}

function requireOk(answer: IncomingMessage, { host }: Endpoint, what: string, body: Buffer): void {
  const status = answer.statusCode ?? 0;
  if (status === 200) return;
  const told = saidErrors(body);
  if (status === 401 || status === 403) throw new LayerError('Refused', `${host}: ${told || 'unauthorized'}`);
  if (status === 404) throw new LayerError('NotFound', `${host} has no ${what}${told && `: ${told}`}`);
  throw new LayerError('Unreachable', `${host} answered ${status} for ${what}${told && `: ${told}`}`);
}

/** A registry's `{"errors": [{"code", "message"}]}`. */
function saidErrors(body: Buffer): string {
  try {
    const { errors } = JSON.parse(body.toString()) as { errors?: { code?: string; message?: string }[] };
    return (errors ?? [])
      .map(({ code, message }) => message ?? code ?? '')
      .join(', ')
      .slice(0, 500);
  } catch {
    return '';
  }
}
