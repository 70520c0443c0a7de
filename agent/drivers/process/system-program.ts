import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { DriverError } from '../errors.ts';

/** The path of a program of util-linux, wherever a pod's own PATH leads. */
export function systemProgram(name: string): string {
  for (const folder of ['/usr/bin', '/bin', '/usr/sbin', '/sbin']) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      continue;
    }
  }
  throw new DriverError(
    'CreateContainerConfigError',
    `the program ${name}, which this host process needs, is not installed (package util-linux)`,
  );
}
