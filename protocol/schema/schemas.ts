import generated from '../generated/schemas.json' with { type: 'json' };
import type { SchemaSet } from './schema.ts';

/**
 * All generated schemas: two megabytes of memory that the server has and a device does not. The agent must not load
 * this.
 */
export const schemas = generated as unknown as SchemaSet;
