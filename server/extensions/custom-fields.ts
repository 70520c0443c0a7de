import type { CustomResourceSubresourceScale } from '../../protocol/generated/models.ts';
import type { KubernetesObject, ScaleAccess } from '../../protocol/kinds/define-kind.ts';
import { simplePath } from '../../protocol/structural/json-path.ts';
import { isJsonObject } from '../../protocol/structural/structural-schema.ts';

/** The scale subresource by the paths that the definition names. */
export function scaleAccess(scale: CustomResourceSubresourceScale): ScaleAccess<KubernetesObject> {
  const { specReplicasPath, statusReplicasPath, labelSelectorPath = '' } = scale;
  const count = (object: KubernetesObject, path: string) => {
    const value = valueAt(object, path);
    return typeof value === 'number' ? value : 0;
  };
  return {
    replicas: (object) => count(object, specReplicasPath),
    statusReplicas: (object) => count(object, statusReplicasPath),
    selector(object) {
      const value = labelSelectorPath === '' ? '' : valueAt(object, labelSelectorPath);
      return typeof value === 'string' ? value : '';
    },
    setReplicas: (object, replicas) => setAt(object, simplePath(specReplicasPath) ?? [], replicas),
  };
}

/** The value at a path in the text that field selectors compare; '' where there is none. */
export function fieldText(object: unknown, path: string): string {
  const value = valueAt(object, path);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}

function valueAt(object: unknown, path: string): unknown {
  let value = object;
  for (const key of simplePath(path) ?? []) {
    if (!isJsonObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

function setAt(object: object, [key, ...rest]: readonly string[], value: unknown): void {
  if (key === undefined) return;
  const target = object as Record<string, unknown>;
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const inner = target[key];
  if (isJsonObject(inner)) return setAt(inner, rest, value);
  const made = {};
  target[key] = made;
  setAt(made, rest, value);
}
