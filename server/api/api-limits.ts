/** Limits of the API server's own; those that other parts share are in protocol/limits.ts. */
export const apiLimits = {
  /** Request line and headers together; room for a long bearer token. */
  headerBytesMax: 64 * 1024,
  headersCountMax: 200,
  /** A client that has not sent its headers, or its whole body, by then is cut off. */
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  handshakeTimeoutMs: 10_000,
  keepAliveTimeoutMs: 90_000,
  /** How often Node looks for connections over these timeouts. */
  connectionsCheckMs: 2_000,
  /** Finds clients that vanished from the network. */
  tcpKeepAliveMs: 30_000,
  connectionsMax: 16_384,
  connectionsPerAddressMax: 1_024,
  /** Requests that one connection may have open at a time (pipelining). */
  pipelinedMax: 8,
  /** Requests being worked at a time, without watches and streams; beyond it: 429. */
  requestsInFlightMax: 512,
  /** How much of an oversize body is read and dropped so that the sender sees the refusal. */
  discardBytesMax: 32 * 1024 * 1024,
  /** Nesting of a request body; deeper than any real object, shallow enough for recursion. */
  bodyDepthMax: 100,
  /** A YAML bomb grows by aliases; real manifests use a handful. */
  yamlAliasesMax: 100,
  /** YAML parses about a hundred times slower than JSON, and clients that matter send JSON. */
  yamlBytesMax: 1024 * 1024,
  pathSegmentsMax: 16,
  /** Answers above this are compressed for who accepts it (as kube-apiserver). */
  gzipAboveBytes: 128 * 1024,
  /** A list is written in pieces of about this size. */
  listChunkBytes: 64 * 1024,
  /** Others get their turn when a list has been written for so long. */
  listSliceMs: 5,
  /** Objects that one page of an internal list holds (initial events, deletecollection). */
  pageObjects: 500,
  /** A reader that takes nothing for this long is cut off. */
  stalledReaderMs: 30_000,
  watchTimeoutSecondsDefault: 1_800,
  watchTimeoutSecondsMax: 24 * 3_600,
  /** Encoded watch events kept for watchers that come to the same event later. */
  encodedEventsBytesMax: 4 * 1024 * 1024,
  warningsMax: 100,
  /** One WebSocket message of a client in a session. */
  execMessageBytesMax: 1024 * 1024,
  /** Input of one session that the device has not taken yet; above it the client is not read. */
  inputBytesMax: 128 * 1024,
  /** Ports that one WebSocket of the old kind may forward. */
  forwardedPortsMax: 32,
  /** How often something is said to a client in a session. */
  streamPingMs: 15_000,
  /**
   * A client in a session that says nothing, not even in answer, is cut off after this. Long, since an old kubectl that
   * feeds a pager answers nothing while nobody turns the page.
   */
  silentClientMs: 10 * 60_000,
  /** One that takes nothing of a log; also kept long for pagers. */
  stalledLogMs: 60 * 60_000,
  /** A SPDY client has opened all streams of a session by then (as kubelet). */
  streamCreationMs: 30_000,
  /** `kubectl logs` learns that the log is open by then, even if it says nothing. */
  logSilenceMs: 500,
  closeGraceMs: 1_500,
} as const;
