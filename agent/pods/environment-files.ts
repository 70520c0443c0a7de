import type { FileKeySelector } from '../../protocol/generated/models.ts';
import { DriverError } from '../drivers/errors.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import type { StepDetails } from './steps.ts';

/**
 * Variables whose values lie in files of the pod's volumes (fileKeyRef). A plan reads no files: it writes a mark where
 * such a value belongs, and the marks are exchanged for the values when the container is made. No mark can be
 * somebody's value: none can hold a zero byte.
 */
export interface FileVariable extends FileKeySelector {
  name: string;
  mark: string;
}

export function markOf(index: number): string {
  return `\0file ${index}\0`;
}

const marks = /\0file (\d+)\0/g;

/** Rejects with a DriverError `CreateContainerConfigError` for what is missing and not optional. */
export async function putFileVariables(
  details: StepDetails['runContainer'],
  volumes: Pick<PodVolumes, 'readFile'>,
): Promise<StepDetails['runContainer']> {
  const { files = [], spec, mounts } = details;
  if (files.length === 0) return details;
  const values = await Promise.all(files.map((file) => valueOf(file, spec.podUid, volumes)));
  // What refers to a variable that is not set stays as it was written.
  const put = (text: string) =>
    text.replaceAll(
      marks,
      (_mark, index: string) => values[Number(index)] ?? `$(${files[Number(index)]?.name ?? ''})`,
    );
  const missing = new Set(
    files.filter((_file, index) => values[index] === undefined).map(({ mark }) => mark),
  );
  const variables = Object.entries(spec.environment).filter(([, value]) => !missing.has(value));
  return {
    ...details,
    spec: {
      ...spec,
      environment: Object.fromEntries(variables.map(([name, value]) => [name, put(value)])),
      command: spec.command.map(put),
      args: spec.args.map(put),
    },
    mounts: mounts.map((mount) => ({ ...mount, subPath: put(mount.subPath) })),
  };
}

async function valueOf(
  { volumeName, path, key, optional }: FileVariable,
  podUid: string,
  volumes: Pick<PodVolumes, 'readFile'>,
): Promise<string | undefined> {
  const refuse = (why: string, cause?: unknown) =>
    new DriverError(
      'CreateContainerConfigError',
      `environment variable key "${key}" of file "${path}": ${why}`,
      { cause },
    );
  const text = await volumes.readFile(podUid, { volume: volumeName, path }).catch((cause: unknown) => {
    throw refuse(cause instanceof Error ? cause.message : String(cause), cause);
  });
  const value = text === undefined ? undefined : readVariable(text, key, refuse);
  if (value === undefined && !optional)
    throw refuse(text === undefined ? `volume "${volumeName}" has no such file` : 'the file does not set it');
  return value;
}

/**
 * The first value of `key` among lines `NAME=value` (source of the format: kubelet, pkg/kubelet/util/env): blanks around
 * names and values do not count, nor do lines that are empty or begin with #; a backslash at the end of a line
 * joins it with the next one by a blank.
 */
export function readVariable(
  text: string,
  key: string,
  refuse: (why: string) => Error = (why) => new Error(why),
): string | undefined {
  let begun: string | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) {
      if (begun !== undefined && index < text.split('\n').length - 1)
        throw refuse(`line ${index + 1} ends what the line before it goes on with`);
      continue;
    }
    const whole = begun === undefined ? line : `${begun} ${line}`;
    begun = whole.endsWith('\\') ? whole.slice(0, -1).trimEnd() : undefined;
    if (begun !== undefined) continue;
    const equals = whole.indexOf('=');
    if (equals < 1) throw refuse(`line ${index + 1} is not NAME=value`);
    if (whole.slice(0, equals).trim() === key) return whole.slice(equals + 1).trim();
  }
  if (begun !== undefined) throw refuse('its last line goes on with a next one, which is missing');
  return undefined;
}
