import { BlockList } from 'node:net';
import type { Environment } from '@marcbachmann/cel-js';
import { isIpAddress } from '../kinds/name-rules.ts';
import { fitsFormat } from '../structural/formats.ts';

class CelAddress {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  get family(): 'ipv4' | 'ipv6' {
    return familyOf(this.text);
  }
}

class CelNetwork {
  readonly address: string;
  readonly bits: number;

  constructor(text: string) {
    const [address = '', bits = '0'] = text.split('/');
    this.address = address;
    this.bits = Number(bits);
  }

  contains(address: string): boolean {
    if (familyOf(address) !== familyOf(this.address)) return false;
    const list = new BlockList();
    list.addSubnet(this.address, this.bits, familyOf(this.address));
    return list.check(address, familyOf(address));
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

function within(address: CelAddress, network: string): boolean {
  return new CelNetwork(network).contains(address.text);
}

/** Kubernetes' addresses and networks in CEL. */
export function registerAddressLibrary(environment: Environment): void {
  const ip = 'net.IP';
  const cidr = 'net.CIDR';
  environment
    .registerType(ip, CelAddress)
    .registerType(cidr, CelNetwork)
    .registerFunction('isIP(string): bool', isIpAddress)
    .registerFunction('isCIDR(string): bool', (text: string) => fitsFormat(text, 'cidr'))
    .registerFunction(`ip(string): ${ip}`, parseAddress)
    .registerFunction(`cidr(string): ${cidr}`, parseNetwork)
    .registerFunction(`${ip}.family(): int`, ({ family }: CelAddress) => (family === 'ipv4' ? 4n : 6n))
    .registerFunction(`${ip}.isLoopback(): bool`, (address: CelAddress) =>
      within(address, address.family === 'ipv4' ? '127.0.0.0/8' : '::1/128'),
    )
    .registerFunction(
      `${ip}.isUnspecified(): bool`,
      ({ text }: CelAddress) => text === '0.0.0.0' || text === '::',
    )
    .registerFunction(`${ip}.isLinkLocalUnicast(): bool`, (address: CelAddress) =>
      within(address, address.family === 'ipv4' ? '169.254.0.0/16' : 'fe80::/10'),
    )
    .registerFunction(`string(${ip}): string`, ({ text }: CelAddress) => text)
    .registerFunction(`${cidr}.containsIP(string): bool`, (network: CelNetwork, text: string) =>
      network.contains(parseAddress(text).text),
    )
    .registerFunction(`${cidr}.containsIP(${ip}): bool`, (network: CelNetwork, { text }: CelAddress) =>
      network.contains(text),
    )
    .registerFunction(`${cidr}.containsCIDR(string): bool`, (network: CelNetwork, text: string) => {
      const inner = parseNetwork(text);
      return inner.bits >= network.bits && network.contains(inner.address);
    })
    .registerFunction(`${cidr}.ip(): ${ip}`, ({ address }: CelNetwork) => new CelAddress(address))
    .registerFunction(`${cidr}.prefixLength(): int`, ({ bits }: CelNetwork) => BigInt(bits));
}

function parseAddress(text: string): CelAddress {
  if (isIpAddress(text)) return new CelAddress(text);
  throw new TypeError(`IP Address "${text}" parse error during conversion from string`);
}

function parseNetwork(text: string): CelNetwork {
  if (fitsFormat(text, 'cidr')) return new CelNetwork(text);
  throw new TypeError(`network address parse error during conversion from string: "${text}"`);
}
