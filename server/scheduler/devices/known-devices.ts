import {
  type DeviceSelector,
  type SelectableDevice,
  SelectorError,
  selectableDevice,
  selectorCompiler,
} from '../../../protocol/cel/device-selector.ts';
import type {
  DeviceClass,
  ResourceResourceClaim,
  ResourceSlice,
} from '../../../protocol/generated/models.ts';
import { deviceClassKind } from '../../../protocol/kinds/device-class.ts';
import { resourceClaimKind } from '../../../protocol/kinds/resource-claim.ts';
import { resourceSliceKind } from '../../../protocol/kinds/resource-slice.ts';
import type { Cache, Informer } from '../../cache/informer.ts';
import { deviceKey, type OfferedDevice, type SelectingRequest } from './allocate.ts';

/**
 * What the scheduler knows of devices: what nodes offer, what claims hold, and what it has just given out and the cache
 * does not show yet. One scheduler allocates; that no device goes to two claims rests on this memory, as it does in
 * Kubernetes, and that no claim gets two allocations on the write of its status.
 */
export class KnownDevices {
  readonly claims: Informer<ResourceResourceClaim>;
  readonly classes: Informer<DeviceClass>;
  readonly slices: Informer<ResourceSlice>;
  /** Device to the uid of the claim that it was just given to. */
  readonly #givenOut = new Map<string, string>();
  readonly #offers = new WeakMap<Readonly<ResourceSlice>, Offer>();
  readonly #keys = new WeakMap<SelectingRequest, { deviceClass: Readonly<DeviceClass>; key: string }>();
  readonly #selectors = new Map<string, DeviceSelector | SelectorError>();
  readonly #compile = selectorCompiler();

  constructor(cache: Cache) {
    this.claims = cache.informer(resourceClaimKind);
    this.classes = cache.informer(deviceClassKind);
    this.slices = cache.informer(resourceSliceKind);
    this.slices.addIndex(byNode, ({ spec }) => [spec.nodeName ?? anyNode]);
    this.claims.addIndex(byDevice, heldDevices);
    this.claims.onChange(({ type, object }) => {
      const uid = object.metadata?.uid ?? '';
      if (type === 'deleted' || object.status?.allocation) this.forget(uid);
    });
  }

  /**
   * Devices of the node that the request's class and selectors choose, in a fixed order. Asked of every node for each
   * pod: what was found holds as long as the node's slices and the class do.
   */
  candidates(node: string, request: SelectingRequest): readonly OfferedDevice[] {
    const key = this.#keyOf(request);
    if (key === undefined) return [];
    const found: OfferedDevice[] = [];
    for (const slice of this.slices.byIndex(byNode, node)) found.push(...this.#chosen(slice, request, key));
    return found.length < 2 ? found : found.sort(inOrder);
  }

  isTaken(device: string): boolean {
    return this.#givenOut.has(device) || this.claims.byIndex(byDevice, device).length > 0;
  }

  giveOut(devices: readonly string[], claimUid: string): void {
    for (const device of devices) this.#givenOut.set(device, claimUid);
  }

  forget(claimUid: string): void {
    if (this.#givenOut.size === 0) return;
    for (const [device, uid] of this.#givenOut) if (uid === claimUid) this.#givenOut.delete(device);
  }

  /** What keeps a request from ever being met as it stands. */
  problemOf({ deviceClassName, selectors = [] }: SelectingRequest): string | undefined {
    const deviceClass = this.classes.get(undefined, deviceClassName);
    if (!deviceClass) return `device class ${deviceClassName} does not exist`;
    for (const [index, { cel }] of [...(deviceClass.spec?.selectors ?? []), ...selectors].entries()) {
      const selector = this.#selector(cel?.expression ?? '');
      if (selector instanceof SelectorError)
        return `selector #${index}: CEL compile error: ${selector.message}`;
    }
    return undefined;
  }

  #keyOf(request: SelectingRequest): string | undefined {
    const deviceClass = this.classes.get(undefined, request.deviceClassName);
    if (!deviceClass) return undefined;
    const known = this.#keys.get(request);
    if (known?.deviceClass === deviceClass) return known.key;
    const key = JSON.stringify([
      expressionsOf(deviceClass.spec?.selectors),
      expressionsOf(request.selectors),
    ]);
    this.#keys.set(request, { deviceClass, key });
    return key;
  }

  #chosen(slice: Readonly<ResourceSlice>, request: SelectingRequest, key: string): readonly OfferedDevice[] {
    let offer = this.#offers.get(slice);
    if (!offer) this.#offers.set(slice, (offer = { devices: devicesOf(slice), chosen: new Map() }));
    const known = offer.chosen.get(key);
    if (known) return known;
    if (offer.chosen.size >= chosenMax) offer.chosen.clear();
    const { spec } = this.classes.get(undefined, request.deviceClassName) ?? {};
    const selectors = [...expressionsOf(spec?.selectors), ...expressionsOf(request.selectors)].map((one) =>
      this.#selector(one),
    );
    const chosen = offer.devices.filter(({ selectable }) =>
      selectors.every((one) => isChosen(one, selectable)),
    );
    offer.chosen.set(key, chosen);
    return chosen;
  }

  #selector(expression: string): DeviceSelector | SelectorError {
    const known = this.#selectors.get(expression);
    if (known) return known;
    if (this.#selectors.size >= selectorsMax) this.#selectors.clear();
    const made = this.#tryCompile(expression);
    this.#selectors.set(expression, made);
    return made;
  }

  #tryCompile(expression: string): DeviceSelector | SelectorError {
    try {
      return this.#compile(expression);
    } catch (error) {
      if (error instanceof SelectorError) return error;
      throw error;
    }
  }
}

const byNode = 'scheduler.sliceNode';
const byDevice = 'scheduler.heldDevice';
/** Slices for more than one node are made by drivers of other systems; nobody here makes them. */
const anyNode = '';
const selectorsMax = 1000;
/** Requests of different words whose answers are kept for a slice. */
const chosenMax = 50;

interface Offer {
  devices: readonly OfferedDevice[];
  chosen: Map<string, readonly OfferedDevice[]>;
}

/** A device of which an expression makes no sense (it lacks an attribute, say) is not meant by it. */
function isChosen(selector: DeviceSelector | SelectorError, device: SelectableDevice): boolean {
  if (selector instanceof SelectorError) return false;
  try {
    return selector.matches(device);
  } catch (error) {
    if (error instanceof SelectorError) return false;
    throw error;
  }
}

function expressionsOf(selectors: SelectingRequest['selectors'] = []): string[] {
  return selectors.map(({ cel }) => cel?.expression ?? '');
}

function devicesOf({ spec }: Readonly<ResourceSlice>): OfferedDevice[] {
  const { driver, pool, devices = [] } = spec;
  return devices.map((device) => ({
    driver,
    pool: pool.name,
    device,
    selectable: selectableDevice(driver, device),
  }));
}

function inOrder(one: OfferedDevice, other: OfferedDevice): number {
  if (one.driver !== other.driver) return one.driver < other.driver ? -1 : 1;
  return one.device.name < other.device.name ? -1 : 1;
}

function heldDevices({ status }: Readonly<ResourceResourceClaim>): string[] {
  return (status?.allocation?.devices?.results ?? []).map(deviceKey);
}
