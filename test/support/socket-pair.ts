import { type Duplex, duplexPair } from 'node:stream';

/** Two ends of a connection in memory; as with sockets, when one end is destroyed the other closes. */
export function socketPair(): [Duplex, Duplex] {
  const [left, right] = duplexPair();
  left.once('close', () => right.destroy());
  right.once('close', () => left.destroy());
  return [left, right];
}
