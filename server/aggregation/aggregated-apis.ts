import type { ClientRequest } from 'node:http';
import type { HttpsAnswer } from '../outgoing/https-client.ts';

/** The group versions that other servers answer for. What is in here is passed on to them. */
export interface AggregatedApis {
  /** Undefined: this server answers itself. */
  find(group: string, version: string): AggregatedApi | undefined;
  /** Groups of higher priority first, then versions of higher priority; ties by name. */
  list(): readonly AggregatedApi[];
  /** Hears which group versions came, went or say something else about themselves. */
  onChange(handler: (changed: readonly GroupVersionName[]) => void): Disposable;
}

export interface GroupVersionName {
  group: string;
  version: string;
}

export interface AggregatedApi extends GroupVersionName {
  readonly available: boolean;
  /** As its own discovery lists them, subresources beside resources; what was last known while it is away. */
  readonly resources: readonly ListedResource[];
  readonly openApi: AggregatedOpenApi;
  /** A request to that server as whoever the headers name. Throws ServiceAddressError. */
  open(request: PassedRequest): ClientRequest;
  /** A whole answer for this server itself. Rejects with ServiceAddressError or HttpsCallError. */
  ask(question: OwnQuestion): Promise<HttpsAnswer>;
  /** Says that it did not answer, so that its condition is looked at now. */
  suspect(): void;
}

export interface AskingUser {
  name: string;
  groups: readonly string[];
}

/** How other servers are told who asks. */
export function userHeaders({ name, groups }: AskingUser): Record<string, string | string[]> {
  return { 'X-Remote-User': name, 'X-Remote-Group': [...groups] };
}

/** What this server itself wants to know or to have done. */
export interface OwnQuestion {
  method: 'GET' | 'DELETE' | 'PATCH';
  path: string;
  user: AskingUser;
  accept?: string;
  /** Sent as JSON; of a PATCH as a merge patch. */
  body?: object;
}

export interface PassedRequest {
  method: string;
  path: string;
  headers: Readonly<Record<string, string | string[]>>;
  upgrade: boolean;
}

/** An APIResource of a server that we do not know: only its name was looked at. */
export type ListedResource = Readonly<Record<string, unknown>> & { readonly name: string };

export interface AggregatedOpenApi {
  /** Paths and definitions of this group version. */
  readonly v2: OpenApiPart | undefined;
  /** The hash of its document; undefined where it has none. */
  readonly v3Hash: string | undefined;
}

export interface OpenApiPart {
  paths: Readonly<Record<string, unknown>>;
  definitions: Readonly<Record<string, unknown>>;
}

/** For a server that passes nothing on. */
export const noAggregatedApis: AggregatedApis = {
  find: () => undefined,
  list: () => [],
  onChange: () => ({ [Symbol.dispose]: () => {} }),
};
