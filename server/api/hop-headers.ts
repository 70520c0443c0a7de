/**
 * Headers that are between two neighbours only (source: RFC 9110, 7.6.1). `upgrade` is passed on where the client asked
 * for another protocol.
 */
export const hopHeaders: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
