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
  readonly #offered = new WeakMap<Readonly<ResourceSlice>, readonly OfferedDevice[]>();
  readonly #answers = new WeakMap<SelectableDevice, Map<string, boolean>>();
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

  /** Of slices that name this node; in the order of their names. */
  offeredBy(node: string): OfferedDevice[] {
    const slices = this.slices.byIndex(byNode, node);
    const name = ({ metadata }: Readonly<ResourceSlice>) => metadata?.name ?? '';
    return slices
      .toSorted((one, other) => (name(one) < name(other) ? -1 : 1))
      .flatMap((slice) => this.#devicesOf(slice));
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

  /** A device of which an expression makes no sense (it lacks an attribute, say) is not meant by it. */
  matches({ deviceClassName, selectors = [] }: SelectingRequest, { selectable }: OfferedDevice): boolean {
    const deviceClass = this.classes.get(undefined, deviceClassName);
    if (!deviceClass) return false;
    return [...(deviceClass.spec?.selectors ?? []), ...selectors].every(({ cel }) =>
      this.#matchesOne(cel?.expression ?? '', selectable),
    );
  }

  /** Asked of every device of the fleet for each pod: an answer holds as long as the device's slice does. */
  #matchesOne(expression: string, device: SelectableDevice): boolean {
    const selector = this.#selector(expression);
    if (selector instanceof SelectorError) return false;
    let answers = this.#answers.get(device);
    if (!answers) this.#answers.set(device, (answers = new Map()));
    const known = answers.get(expression);
    if (known !== undefined) return known;
    if (answers.size >= answersMax) answers.clear();
    const answer = tryMatch(selector, device);
    answers.set(expression, answer);
    return answer;
  }

  #devicesOf(slice: Readonly<ResourceSlice>): readonly OfferedDevice[] {
    let offered = this.#offered.get(slice);
    if (!offered) {
      const { driver, pool, devices = [] } = slice.spec;
      offered = devices.map((device) => ({
        driver,
        pool: pool.name,
        device,
        selectable: selectableDevice(driver, device),
      }));
      this.#offered.set(slice, offered);
    }
    return offered;
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
/** Of one device. */
const answersMax = 50;

function tryMatch(selector: DeviceSelector, device: SelectableDevice): boolean {
  try {
    return selector.matches(device);
  } catch (error) {
    if (error instanceof SelectorError) return false;
    throw error;
  }
}

function heldDevices({ status }: Readonly<ResourceResourceClaim>): string[] {
  return (status?.allocation?.devices?.results ?? []).map(deviceKey);
}
