import type { AdmissionDefinition } from './define-admission.ts';
import { priority } from './plugins/priority.ts';

/** Every plugin, in the order in which they are asked: whoever accounts for writes is last. */
export const admissionPlugins: readonly AdmissionDefinition[] = [priority];
