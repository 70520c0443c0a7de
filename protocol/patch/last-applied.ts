import type { KubernetesObject } from '../kinds/define-kind.ts';
import { compareFields } from './compare-fields.ts';
import type { FieldSchema } from './field-schema.ts';
import { difference, type FieldSet } from './field-set.ts';
import { isObject } from './json-value.ts';
import { canonical } from './path-element.ts';
import { fieldsOf } from './walk-fields.ts';

/**
 * The annotation in which `kubectl apply` without --server-side keeps what it applied. Only the applier named `kubectl`
 * goes by it: it may take over what it applied from the client, and keeps the annotation true, so that both ways of
 * applying can be used by turns (source: k8s.io/apimachinery, managedfields, lastAppliedManager).
 */
export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';
export const kubectlApplier = 'kubectl';

/** What annotations may hold together; a longer one is dropped instead. */
const annotationBytesMax = 256 * 1024;

/** The fields of the annotation that the object still has as they were applied. */
export function fieldsAppliedByClient(live: KubernetesObject, schema: FieldSchema): FieldSet {
  const config = parse(live.metadata?.annotations?.[lastAppliedAnnotation] ?? '');
  if (config?.['apiVersion'] !== live.apiVersion) return {};
  const { set, removed } = compareFields(config, live, schema);
  return difference(difference(fieldsOf(config, schema), set), removed);
}

/** Writes the annotation anew, where there is one, in place. `annotations` may be shared with another object. */
export function keepLastApplied(object: KubernetesObject, config: KubernetesObject): void {
  const { metadata } = object;
  if (metadata?.annotations?.[lastAppliedAnnotation] === undefined) return;
  const { [lastAppliedAnnotation]: _, ...annotations } = metadata.annotations;
  const text = lastAppliedText(config);
  const fits = Buffer.byteLength(text) + Buffer.byteLength(JSON.stringify(annotations)) <= annotationBytesMax;
  object.metadata = {
    ...metadata,
    annotations: { ...annotations, ...(fits ? { [lastAppliedAnnotation]: text } : {}) },
  };
}

function lastAppliedText(config: KubernetesObject): string {
  const { annotations = {}, ...metadata } = config.metadata ?? {};
  const { [lastAppliedAnnotation]: _, ...kept } = annotations;
  return `${canonical({ ...config, metadata: { ...metadata, annotations: kept } })}\n`;
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
