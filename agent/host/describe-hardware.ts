import { system } from 'systeminformation';
import type { HardwareDescription } from './host-description.ts';

/** Runs in a short-lived process of its own; see host-description.ts. */
export async function describeHardware(): Promise<HardwareDescription> {
  const { manufacturer, model, uuid } = await system();
  const name = model.startsWith(manufacturer) ? model : `${manufacturer} ${model}`;
  return { model: name.trim(), systemUuid: uuid };
}
