/** Every limit that two sides must agree on, in one place, the unit last in the name. */
export const limits = {
  /** Before CONNECT is parsed nobody is known; a CONNECT with a will fits easily. */
  packetBeforeConnectBytesMax: 4 * 1024,
  packetBytesMax: 256 * 1024,
  /** Payloads above this are cut into chunks so that a bulk message cannot stall its neighbours. */
  chunkBytesMax: 64 * 1024,
  /** A reassembled or inflated message. */
  messageBytesMax: 8 * 1024 * 1024,
  /** Nesting of a message; API objects stay far below. */
  messageDepthMax: 64,
  /** Chunked messages that one sender may have begun and not completed; the oldest gives way. */
  partialMessagesPerSenderMax: 4,
  /** Bytes of all incomplete messages of all senders together; the oldest gives way. */
  partialMessagesBytesMax: 64 * 1024 * 1024,
  /** Payloads above this are deflated (below, the header costs more than it saves). */
  deflateAboveBytes: 256,
  /** One API object, encoded (as etcd's default request limit minus its overhead). */
  objectBytesMax: 1536 * 1024,
  /** One API request body (as kube-apiserver). */
  requestBytesMax: 3 * 1024 * 1024,
  subscriptionsPerClientMax: 16,
  connectionsPerAddressMax: 256,
  /** The broker drops a client whose socket holds more unsent bytes than this. */
  unsentBytesMax: 256 * 1024,
  /** Payload bytes the broker hands to one client's socket at a time; the rest waits in the client's own queue. */
  sendingBytesMax: 128 * 1024,
  /** Bytes waiting for one client; the broker drops a client that lets more pile up. */
  outboundBytesPerClientMax: 16 * 1024 * 1024,
  /** Bytes waiting for all clients together; above it messages are dropped, and sync says them again. */
  outboundBytesMax: 256 * 1024 * 1024,
  /** A client's packets per second, and how many it may send at once after a quiet time; above, it is dropped. */
  packetsPerSecondMax: 2_000,
  packetsBurstMax: 10_000,
  connectTimeoutMs: 10_000,
  /** A client that takes nothing off a full socket for this long is dropped. A chunk needs ≥ 2.2 kB/s. */
  drainTimeoutMs: 30_000,
  /** A joining connection's whole life. */
  joinConnectionMs: 60_000,
  /** Pings every 240 s cost 2.2 MB a month (docs: metered by design). */
  keepaliveSeconds: 240,
  keepaliveSecondsMax: 1_200,
  /** A device cuts a connection on which an answer is this late. */
  answerTimeoutMs: 30_000,
  /** Dialling, TLS and CONNACK together. */
  dialTimeoutMs: 45_000,
  reconnectMinMs: 1_000,
  reconnectMaxMs: 60_000,
  /** What a device may have sent without an acknowledgement of the broker. */
  inFlightMessagesMax: 256,
  inFlightBytesMax: 16 * 1024 * 1024,
  /** A stream connection that carries nothing closes after this. */
  streamIdleMs: 60_000,
  /** Bytes a stream's sender may have unacknowledged. */
  streamWindowBytes: 128 * 1024,
  streamFrameBytesMax: 16 * 1024,
  /** Small pieces of output wait this long for more of it. */
  streamJoinMs: 5,
  /** Data frames that a device sends of all its streams; the broker takes `packetsPerSecondMax` packets. */
  streamFramesPerSecondMax: 1_500,
  streamsPerNodeMax: 64,
  streamsPerServerMax: 2_048,
  /** Each side of a stream says something this often, and gives the other up after that long a silence. */
  streamBeatMs: 20_000,
  streamSilenceMs: 65_000,
  /** Texts in what is said about a stream. */
  streamErrorCharactersMax: 4_096,
} as const;

/** Limits as numbers, for what takes others in tests. */
export type Limits = Readonly<Record<keyof typeof limits, number>>;
