import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { Requester } from '../../protocol/kinds/define-kind.ts';
import type { KindSet } from '../../protocol/kinds/kind-set.ts';
import type { Cache } from '../cache/informer.ts';
import type { Outgoing } from '../outgoing/outgoing.ts';
import type { AdmissionRequest, AdmissionSubject } from '../registry/admission.ts';
import type { Registry } from '../registry/registry.ts';
import type { QuotaLedger } from './quota/quota-ledger.ts';

/**
 * A plugin is one file with one `defineAdmission` and one line in `admission/registry.ts`, whose order is the order in
 * which they are asked. Its setup may follow informers; what it returns has a say in writes.
 */
export interface AdmissionDefinition {
  /** Kubernetes' name of it, where it has one. */
  name: string;
  setup(context: AdmissionContext): AdmissionPlugin;
}

export interface AdmissionContext {
  /** What is written through it is reviewed, too. */
  registry: Registry;
  cache: Cache;
  kinds: KindSet;
  clock: Clock;
  random: Random;
  log: Logger;
  may: MayDo;
  quotas: QuotaLedger;
  /** By which webhooks are asked. */
  outgoing: Outgoing;
}

/** Whether the roles let somebody do something. */
export type MayDo = (user: Requester, request: RightAsked | PathAsked) => Promise<boolean>;

export interface RightAsked {
  verb: string;
  group: string;
  resource: string;
  subresource?: string;
  namespace?: string;
  name?: string;
}

/** A right on something that is no object. */
export interface PathAsked {
  verb: string;
  path: string;
}

export interface AdmissionPlugin {
  /**
   * Whether it has a say in writes of this sort. Asked before every write of the server, so it must be quick; the answer
   * may change while the server runs.
   */
  handles(subject: AdmissionSubject): boolean;
  /** Changes `request.object`, or throws a StatusError. */
  admit?(request: AdmissionRequest, pass: MutatingPass): Promise<void> | void;
  /**
   * Refuses by a StatusError what it will not have; must not change anything. It may account for the write, unless it is
   * a dry run, and return what takes that back.
   */
  validate?(request: AdmissionRequest): Promise<TakeBack | void> | TakeBack | void;
}

export type TakeBack = () => void;

/** All plugins change an object once, and once more when one of them asks for it. */
export interface MutatingPass {
  readonly isSecond: boolean;
  /** What has changed may concern plugins that were asked before. In the second pass it has no effect. */
  askForSecond(): void;
}

export function defineAdmission(definition: AdmissionDefinition): AdmissionDefinition {
  return definition;
}
