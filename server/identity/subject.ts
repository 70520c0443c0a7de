/**
 * Names in certificates, as Kubernetes reads them: the common name is the user, organizations are the groups
 * (source: https://kubernetes.io/docs/reference/access-authn-authz/node/).
 */
export const nodesGroup = 'system:nodes';
export const adminsGroup = 'system:masters';
const nodePrefix = 'system:node:';

export interface Subject {
  commonName: string;
  organizations: string[];
}

/** Reads Node's textual form of a subject: one `KEY=value` a line, with `\` escapes (source: RFC 4514). */
export function parseSubject(subject: string): Subject {
  const names: string[] = [];
  const organizations: string[] = [];
  for (const line of subject.split('\n')) {
    if (line.startsWith('CN=')) names.push(unescape(line.slice(3)));
    else if (line.startsWith('O=')) organizations.push(unescape(line.slice(2)));
  }
  // More than one common name is nobody we signed.
  return { commonName: names.length === 1 ? (names[0] ?? '') : '', organizations };
}

/** The node that a device certificate is for; undefined for every other certificate. */
export function nodeOfSubject(subject: string): string | undefined {
  const { commonName, organizations } = parseSubject(subject);
  const isNode = organizations.includes(nodesGroup) && commonName.startsWith(nodePrefix);
  const node = commonName.slice(nodePrefix.length);
  return isNode && isNodeName(node) ? node : undefined;
}

export function nodeCommonName(node: string): string {
  return nodePrefix + node;
}

/** A DNS-1123 subdomain, as Kubernetes requires of node names. */
export function isNodeName(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(name);
}

function unescape(value: string): string {
  return value.replaceAll(/\\(.)/g, '$1');
}
