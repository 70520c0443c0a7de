import type * as v from 'valibot';

/**
 * A topic is one `defineTopic` and one line in `topics/registry.ts`. Builder, parser, schema check and the broker's
 * ACL all derive from it (source of the table: docs/ARCHITECTURE.md, the bus).
 *
 * The wire form is `flotilla/<cluster>/<pattern>`. Node names travel with `.` as `_`, because some brokers refuse
 * dots; node names are DNS subdomains, which have no `_`, so the mapping is reversible.
 */
export interface TopicDefinition<S extends MessageSchema = MessageSchema> {
  name: string;
  /** Path below the cluster's root, with `{node}` and `{id}` as parameters. */
  pattern: string;
  /** up: published by the device; down: published by the server to one device; all: by the server to everyone. */
  way: 'up' | 'down' | 'all';
  qos: 0 | 1;
  /** Which of a device's connections may use the topic. */
  connection: 'control' | 'stream' | 'join';
  /**
   * A connection is of no use without this topic, and counts as made once all of these are subscribed. A topic that
   * a release adds is never one of them: programs of earlier releases, on either side, do not know it.
   */
  essential?: true;
  schema: S;
}

export type MessageSchema = v.GenericSchema;
export type Message<D extends TopicDefinition> = v.InferOutput<D['schema']>;

export interface TopicParameters {
  /** Kubernetes node name, with dots. */
  node?: string;
  id?: string;
}

export function defineTopic<const S extends MessageSchema>(
  definition: TopicDefinition<S>,
): TopicDefinition<S> {
  return definition;
}

/** The full topic string. Throws a TypeError when a parameter is missing or holds a topic separator or wildcard. */
export function topicString(
  definition: TopicDefinition,
  cluster: string,
  parameters: TopicParameters = {},
): string {
  const path = definition.pattern.replace(/\{(node|id)\}/g, (_match, name: 'node' | 'id') => {
    const value = parameters[name];
    if (value === undefined || !/^[A-Za-z0-9._-]+$/.test(value)) {
      throw new TypeError(
        `topic ${definition.name}: parameter ${name} is not a topic level: ${String(value)}`,
      );
    }
    return name === 'node' ? nodeToTopicLevel(value) : value;
  });
  return `flotilla/${cluster}/${path}`;
}

/** The parameters when `topic` is one of `definition`'s, undefined otherwise. */
export function parseTopic(
  definition: TopicDefinition,
  cluster: string,
  topic: string,
): TopicParameters | undefined {
  const levels = topic.split('/');
  const expected = ['flotilla', cluster, ...definition.pattern.split('/')];
  if (levels.length !== expected.length) return undefined;
  const parameters: TopicParameters = {};
  for (const [index, want] of expected.entries()) {
    const level = levels[index] ?? '';
    if (want === '{node}') parameters.node = topicLevelToNode(level);
    else if (want === '{id}') parameters.id = level;
    else if (want !== level) return undefined;
  }
  return parameters;
}

export function nodeToTopicLevel(node: string): string {
  return node.replaceAll('.', '_');
}

export function topicLevelToNode(level: string): string {
  return level.replaceAll('_', '.');
}
