import type { Environment } from '@marcbachmann/cel-js';
import type { Device, DeviceAttribute } from '../generated/models.ts';
import { summaryOf } from './compile-rule.ts';
import { celLimits, createCelEnvironment } from './environment.ts';

/** A CEL expression of a DeviceClass or a request, ready to be asked about devices. */
export interface DeviceSelector {
  /** Throws SelectorError for a device of which the expression makes no sense. */
  matches(device: SelectableDevice): boolean;
}

/** What expressions see of a device as `device`. */
export interface SelectableDevice {
  readonly driver: string;
  readonly attributes: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly capacity: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export class SelectorError extends Error {
  readonly code = 'ERR_DEVICE_SELECTOR';
}

/** Kubernetes' limit of an expression. */
const expressionCharactersMax = Math.min(10 * 1024, celLimits.expressionCharactersMax);

export function selectorCompiler(): (expression: string) => DeviceSelector {
  const environment: Environment = createCelEnvironment().registerVariable('device', 'dyn');
  return (expression) => compile(environment, expression);
}

function compile(environment: Environment, expression: string): DeviceSelector {
  if (expression.length > expressionCharactersMax)
    throw new SelectorError(`too long: may not be more than ${expressionCharactersMax} bytes`);
  const program = asSelectorError(() => environment.parse(expression), compilationFailed);
  const checked = program.check();
  if (!checked.valid) throw new SelectorError(compilationFailed + summaryOf(checked.error));
  if (checked.type !== 'bool' && checked.type !== 'dyn')
    throw new SelectorError('must evaluate to bool or the unknown type');
  return {
    matches: (device) => asSelectorError(() => program({ device }) === true),
  };
}

const compilationFailed = 'compilation failed: ERROR: <input>: ';

function asSelectorError<T>(work: () => T, prefix = ''): T {
  try {
    return work();
  } catch (error) {
    throw new SelectorError(prefix + summaryOf(error), { cause: error });
  }
}

/** Names without a domain are in the driver's. */
export function selectableDevice(driver: string, { attributes = {} }: Readonly<Device>): SelectableDevice {
  const domains: Record<string, Record<string, unknown>> = { [driver]: {} };
  for (const [name, attribute] of Object.entries(attributes)) {
    const { domain, id } = splitName(name, driver);
    (domains[domain] ??= {})[id] = valueOf(attribute);
  }
  return { driver, attributes: domains, capacity: {} };
}

/** `usb.flotilla.dev/vendor` with its domain, which is `driver` when it has none. */
export function splitName(name: string, driver: string): { domain: string; id: string } {
  const slash = name.indexOf('/');
  return slash < 0
    ? { domain: driver, id: name }
    : { domain: name.slice(0, slash), id: name.slice(slash + 1) };
}

function valueOf({ bool, int, string, version }: DeviceAttribute): unknown {
  if (int !== undefined) return BigInt(Math.trunc(int));
  return bool ?? string ?? version;
}
