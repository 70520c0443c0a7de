import { parseTopic, type TopicDefinition, type TopicParameters, topicString } from './define-topic.ts';
import { topics } from './registry.ts';

/** Who is at the other end of a connection, after authentication. */
export type Peer =
  | { connection: 'control' | 'stream' /** Kubernetes node name. */; node: string }
  | { connection: 'join' /** The joining connection's own id, in its two topics. */; id: string };

/** What one connection may do on the bus; everything that is not named by a topic definition is refused. */
export interface Acl {
  /** The definition and parameters when the peer may publish to this topic. */
  publish(topic: string): TopicMatch | undefined;
  /** Only exact filters, except `+` for the stream id: a wildcard over devices does not exist. */
  maySubscribe(filter: string): boolean;
  /** The filters that this peer needs, ready for a SUBSCRIBE. */
  readonly subscriptions: readonly Subscription[];
}

export interface Subscription {
  filter: string;
  qos: 0 | 1;
  /** See `TopicDefinition.essential`. */
  essential: boolean;
}

export interface TopicMatch {
  definition: TopicDefinition;
  parameters: TopicParameters;
}

export function aclFor(cluster: string, peer: Peer, definitions: readonly TopicDefinition[] = topics): Acl {
  const own = definitions.filter(({ connection }) => connection === peer.connection);
  const incoming = own.filter(({ way }) => way !== 'up');
  const subscriptions = incoming.map((definition) => ({
    filter: filterOf(definition, cluster, peer),
    qos: definition.qos,
    essential: definition.essential === true,
  }));
  return {
    publish: (topic) => {
      const match = findTopic(
        cluster,
        topic,
        own.filter(({ way }) => way === 'up'),
      );
      return match && belongsTo(peer, match.parameters) ? match : undefined;
    },
    maySubscribe: (filter) => {
      if (subscriptions.some((allowed) => allowed.filter === filter)) return true;
      const match = findTopic(cluster, filter, incoming);
      return match !== undefined && (match.definition.way === 'all' || belongsTo(peer, match.parameters));
    },
    subscriptions,
  };
}

/** The definition that a topic string is of. Undefined also for a string that `topicString` would not have made. */
export function findTopic(
  cluster: string,
  topic: string,
  definitions: readonly TopicDefinition[] = topics,
): TopicMatch | undefined {
  for (const definition of definitions) {
    const parameters = parseTopic(definition, cluster, topic);
    if (parameters && isCanonical(definition, cluster, parameters, topic)) return { definition, parameters };
  }
  return undefined;
}

function isCanonical(
  definition: TopicDefinition,
  cluster: string,
  parameters: TopicParameters,
  topic: string,
): boolean {
  const { node = 'x', id = 'x' } = parameters;
  // Tested first, because topicString throws on what is no topic level.
  if (!/^[A-Za-z0-9.-]+$/.test(node) || !/^[A-Za-z0-9._-]+$/.test(id)) return false;
  return topicString(definition, cluster, parameters) === topic;
}

function belongsTo(peer: Peer, parameters: TopicParameters): boolean {
  return peer.connection === 'join' ? parameters.id === peer.id : parameters.node === peer.node;
}

function filterOf(definition: TopicDefinition, cluster: string, peer: Peer): string {
  if (peer.connection === 'join') return topicString(definition, cluster, { id: peer.id });
  return topicString(definition, cluster, { node: peer.node, id: 'id' }).replace(/[^/]+$/, (last) =>
    definition.pattern.endsWith('{id}') ? '+' : last,
  );
}
