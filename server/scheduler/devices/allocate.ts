import { type SelectableDevice, splitName } from '../../../protocol/cel/device-selector.ts';
import type {
  Device,
  DeviceConstraint,
  DeviceRequestAllocationResult,
  DeviceSubRequest,
  DeviceToleration,
  ExactDeviceRequest,
  ResourceResourceClaim,
} from '../../../protocol/generated/models.ts';
import { tolerates } from '../../../protocol/tolerations.ts';

/** A device that some node offers. */
export interface OfferedDevice {
  driver: string;
  pool: string;
  device: Readonly<Device>;
  selectable: SelectableDevice;
}

export interface AllocationRequest {
  /** Those without an allocation. */
  claims: readonly Readonly<ResourceResourceClaim>[];
  isTaken(device: string): boolean;
  /** The node's devices, taken or not, that class and selectors choose, in a fixed order. */
  candidates(request: SelectingRequest): readonly OfferedDevice[];
}

export type SelectingRequest = Pick<ExactDeviceRequest, 'deviceClassName' | 'selectors'>;

/** Results of each claim, in the order of the claims; undefined when not all can be had together. */
export type Allocation = readonly DeviceRequestAllocationResult[][];

/** A fleet's scheduler must not be held up by a puzzle: after so many tries the answer is no. */
const triesMax = 20_000;
/** Kubernetes' limit of one claim. */
const devicesPerClaimMax = 32;

export function deviceKey(result: { driver: string; pool: string; device: string }): string {
  return `${result.driver}/${result.pool}/${result.device}`;
}

/** All claims or none, each device once. Pure; the same input gives the same devices. */
export function allocate(request: AllocationRequest): Allocation | undefined {
  return new Search(request).run();
}

interface Wanted {
  claim: number;
  constraints: readonly DeviceConstraint[];
  /** Which of these comes first counts; a request without choices has one. */
  alternatives: readonly Alternative[];
}

interface Alternative {
  name: string;
  request: ExactDeviceRequest | DeviceSubRequest;
}

interface Choice {
  claim: number;
  name: string;
  device: OfferedDevice;
  tolerations: readonly DeviceToleration[];
}

class Search {
  readonly #request: AllocationRequest;
  readonly #wanted: readonly Wanted[];
  readonly #picks: Choice[] = [];
  readonly #used = new Set<string>();
  #tries = 0;

  constructor(request: AllocationRequest) {
    this.#request = request;
    this.#wanted = request.claims.flatMap(({ spec }, claim) => {
      const { requests = [], constraints = [] } = spec?.devices ?? {};
      return requests.map(({ name, exactly, firstAvailable = [] }): Wanted => {
        const alternatives = exactly
          ? [{ name, request: exactly }]
          : firstAvailable.map((one) => ({ name: `${name}/${one.name}`, request: one }));
        return { claim, constraints, alternatives };
      });
    });
  }

  run(): Allocation | undefined {
    if (!this.#fill(0)) return undefined;
    return this.#request.claims.map((_, claim) =>
      this.#picks.filter((pick) => pick.claim === claim).map(resultOf),
    );
  }

  #fill(index: number): boolean {
    const wanted = this.#wanted[index];
    if (!wanted) return true;
    return wanted.alternatives.some((alternative) => {
      const { request } = alternative;
      if ('adminAccess' in request && request.adminAccess) return false;
      const candidates = this.#request
        .candidates(request)
        .filter((device) => isTolerated(device, request.tolerations));
      const all = request.allocationMode === 'All';
      if (all && candidates.some((device) => !this.#isFree(device))) return false;
      const count = all ? candidates.length : (request.count ?? 1);
      if (count === 0 || count > candidates.length) return false;
      return this.#pick({ index, wanted, alternative, candidates }, 0, count);
    });
  }

  #pick(
    at: { index: number; wanted: Wanted; alternative: Alternative; candidates: readonly OfferedDevice[] },
    from: number,
    left: number,
  ): boolean {
    if (left === 0) return this.#fill(at.index + 1);
    const { wanted, alternative, candidates } = at;
    for (let position = from; position <= candidates.length - left; position += 1) {
      const device = candidates[position];
      if (!device || !this.#isFree(device)) continue;
      if ((this.#tries += 1) > triesMax) return false;
      const tolerations = alternative.request.tolerations ?? [];
      const pick: Choice = { claim: wanted.claim, name: alternative.name, device, tolerations };
      if (!this.#fits(pick, wanted.constraints)) continue;
      this.#picks.push(pick);
      this.#used.add(keyOf(device));
      if (this.#pick(at, position + 1, left - 1)) return true;
      this.#picks.pop();
      this.#used.delete(keyOf(device));
    }
    return false;
  }

  #isFree(device: OfferedDevice): boolean {
    const key = keyOf(device);
    return !this.#used.has(key) && !this.#request.isTaken(key);
  }

  #fits(pick: Choice, constraints: readonly DeviceConstraint[]): boolean {
    const others = this.#picks.filter(({ claim }) => claim === pick.claim);
    if (others.length >= devicesPerClaimMax) return false;
    return constraints.every(({ matchAttribute, distinctAttribute, requests = [] }) => {
      const concerns = ({ name }: Choice) =>
        requests.length === 0 || requests.includes(name) || requests.includes(name.split('/')[0] ?? '');
      if (!concerns(pick)) return true;
      const attribute = matchAttribute ?? distinctAttribute;
      if (attribute === undefined) return true;
      const value = attributeOf(pick.device, attribute);
      if (value === undefined) return false;
      return others
        .filter(concerns)
        .every(({ device }) => (attributeOf(device, attribute) === value) === (matchAttribute !== undefined));
    });
  }
}

function keyOf({ driver, pool, device }: OfferedDevice): string {
  return deviceKey({ driver, pool, device: device.name });
}

function resultOf({ name, device, tolerations }: Choice): DeviceRequestAllocationResult {
  const { driver, pool } = device;
  const base = { request: name, driver, pool, device: device.device.name };
  return tolerations.length > 0 ? { ...base, tolerations: [...tolerations] } : base;
}

/** Attributes of constraints are named with their domain. */
function attributeOf({ selectable, driver }: OfferedDevice, attribute: string): unknown {
  const { domain, id } = splitName(attribute, driver);
  return selectable.attributes[domain]?.[id];
}

function isTolerated(
  { device: { taints = [] } }: OfferedDevice,
  tolerations: readonly DeviceToleration[] = [],
): boolean {
  return taints
    .filter(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute')
    .every((taint) => tolerations.some((toleration) => tolerates(toleration, taint)));
}
