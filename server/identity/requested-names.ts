import { type DerNode, readDer, readDerAll } from '../../lib/der.ts';

/** The subjectAltName that a certificate request asks for. */
export interface RequestedNames {
  dnsNames: string[];
  /** In their usual text form. */
  addresses: string[];
  emails: string[];
  uris: string[];
}

const commonName = '550403';
const organization = '55040a';
const extensionRequest = '2a864886f70d01090e';
const subjectAlternativeName = '551d11';

/** Common name and organisations of an X.501 name. Throws a RangeError when it is none. */
export function readName(name: DerNode): { commonName: string; organizations: string[] } {
  const attributes = readDerAll(name.content).flatMap((set) =>
    readDerAll(set.content).map((attribute) => {
      const [type, value] = readDerAll(attribute.content);
      return { type: hex(type), value: value ? stringOf(value) : '' };
    }),
  );
  const valuesOf = (type: string) => attributes.filter((one) => one.type === type).map(({ value }) => value);
  // Of several common names readers take different ones.
  const names = valuesOf(commonName);
  if (names.length > 1) throw new RangeError('a subject with several common names');
  return { commonName: names[0] ?? '', organizations: valuesOf(organization) };
}

/** `attributes` is the last part of a request's info (source: RFC 2985, 5.4.2). */
export function readRequestedNames(attributes: DerNode | undefined): RequestedNames {
  const names: RequestedNames = { dnsNames: [], addresses: [], emails: [], uris: [] };
  for (const extension of requestedExtensions(attributes)) {
    const parts = readDerAll(extension.content);
    const value = parts.at(-1);
    if (hex(parts[0]) !== subjectAlternativeName || !value) continue;
    for (const { tag, content } of readDerAll(readDer(value.content).content)) {
      if (tag === 0x81) names.emails.push(ascii(content));
      else if (tag === 0x82) names.dnsNames.push(ascii(content));
      else if (tag === 0x86) names.uris.push(ascii(content));
      else if (tag === 0x87) names.addresses.push(addressText(content));
    }
  }
  return names;
}

function requestedExtensions(attributes: DerNode | undefined): DerNode[] {
  if (!attributes) return [];
  return readDerAll(attributes.content).flatMap((attribute) => {
    const [type, values] = readDerAll(attribute.content);
    if (hex(type) !== extensionRequest || !values) return [];
    return readDerAll(values.content).flatMap((extensions) => readDerAll(extensions.content));
  });
}

function hex(node: DerNode | undefined): string {
  return node?.tag === 0x06 ? Buffer.from(node.content).toString('hex') : '';
}

/** UTF8String, PrintableString, TeletexString, IA5String and BMPString. */
function stringOf({ tag, content }: DerNode): string {
  const bytes = Buffer.from(content);
  if (tag === 0x0c) return bytes.toString('utf8');
  if (tag === 0x13 || tag === 0x14 || tag === 0x16) return bytes.toString('latin1');
  if (tag === 0x1e) return bytes.swap16().toString('utf16le');
  throw new RangeError('a name in an unknown kind of string');
}

function ascii(content: Uint8Array): string {
  const text = Buffer.from(content).toString('latin1');
  if (!/^[\x20-\x7e]*$/.test(text)) throw new RangeError('a name that is not ASCII');
  return text;
}

function addressText(content: Uint8Array): string {
  if (content.length === 4) return content.join('.');
  if (content.length !== 16) throw new RangeError('an address of neither 4 nor 16 bytes');
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((content[2 * index] ?? 0) << 8) | (content[2 * index + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
