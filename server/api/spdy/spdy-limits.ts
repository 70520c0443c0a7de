/** What one SPDY connection may cost. Kubernetes' clients stay far below each of these. */
export const spdyLimits = {
  /** A control frame's body: a few short headers. Data frames are handed on piece by piece and may be of any size. */
  controlFrameBytesMax: 16 * 1024,
  /** Headers of one frame, inflated. */
  headerBlockBytesMax: 32 * 1024,
  headersMax: 64,
  /** Streams open at a time; a forwarded connection takes two. */
  streamsMax: 512,
  /** Data that has arrived and that nobody has read yet, of all streams together; above it the client waits. */
  unreadBytesMax: 1024 * 1024,
  /** What a stream hands to the connection at a time. */
  dataFrameBytesMax: 32 * 1024,
} as const;
