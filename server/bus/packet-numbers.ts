import { Writable } from 'node:stream';
import { writeToStream } from 'mqtt-packet';

/** Longer lengths are not kept. */
const keptLengths = 16_384;

/**
 * mqtt-packet keeps a small Buffer for the length of every packet that it writes, and each keeps the 64 kB alive that Node cut
 * it from: a server that has sent packets of 3,000 lengths holds 180 MB for it. Made all at once they share two pieces. And
 * its table of all two-byte numbers takes 8 MB to save 25 ns a packet. To be called once in a process; takes 70 ms.
 */
export function settlePacketNumbers(): void {
  writeToStream.cacheNumbers = false;
  const nowhere = new Writable();
  nowhere.write = () => true;
  const longest = Buffer.alloc(keptLengths);
  // Of the topic and its length.
  const headBytes = 3;
  for (let length = headBytes; length < keptLengths; length += 1) {
    const payload = longest.subarray(0, length - headBytes);
    writeToStream({ cmd: 'publish', topic: 't', qos: 0, dup: false, retain: false, payload }, nowhere);
  }
}
