import type { Environment } from '@marcbachmann/cel-js';

/** `jsonpatch` in expressions. */
export class CelPatchLibrary {
  readonly name = 'jsonpatch';
}

/** What writes JSON pointers (source: k8s.io/apiserver/pkg/cel/library, jsonpatch). */
export function registerPatchLibrary(environment: Environment): void {
  const type = 'kubernetes.jsonpatch';
  environment
    .registerType(type, CelPatchLibrary)
    .registerVariable('jsonpatch', type)
    .registerFunction(`${type}.escapeKey(string): string`, (_library: CelPatchLibrary, key: string) =>
      key.replaceAll('~', '~0').replaceAll('/', '~1'),
    );
}
