import { findPackageJSON } from 'node:module';
import { dirname } from 'node:path';

/** The folder of package.json, for the sources and for the bundle made of them alike. */
export function checkoutDirectory(): string {
  const manifest = findPackageJSON(import.meta.url);
  if (manifest === undefined) throw new Error('package.json is missing above the program');
  return dirname(manifest);
}
