/**
 * What each of Kubernetes' own signers signs (source: k8s.io/kubernetes/pkg/controller/certificates/signer and
 * pkg/apis/certificates/helpers.go), and two things that nobody may ask for here.
 */
export interface RequestedCertificate {
  commonName: string;
  organizations: readonly string[];
  dnsNames: readonly string[];
  addresses: readonly string[];
  emails: readonly string[];
  uris: readonly string[];
}

type Rule = (asked: RequestedCertificate, usages: readonly string[]) => string | undefined;

const nodesGroup = 'system:nodes';
const nodePrefix = 'system:node:';
const mastersGroup = 'system:masters';

const rules: Readonly<Record<string, Rule>> = {
  'kubernetes.io/kube-apiserver-client': apiClientFault,
  'kubernetes.io/kube-apiserver-client-kubelet': kubeletClientFault,
  'kubernetes.io/kubelet-serving': kubeletServingFault,
  'kubernetes.io/legacy-unknown': () => undefined,
};

/** Whether this server signs for the signer; requests for others are left to whoever does. */
export function isOwnSigner(signerName: string): boolean {
  return Object.hasOwn(rules, signerName);
}

/** Why the signer does not sign it, in words for the condition `Failed`; undefined when it does. */
export function signingFault(
  signerName: string,
  asked: RequestedCertificate,
  usages: readonly string[],
  reservedNames: readonly string[],
): string | undefined {
  if (asked.organizations.includes(mastersGroup)) return `subject organization may not be ${mastersGroup}`;
  const reserved = asked.dnsNames.find((name) => reservedNames.includes(name.toLowerCase()));
  if (reserved !== undefined) return `DNS subjectAltName ${reserved} is the server's own`;
  return rules[signerName]?.(asked, usages);
}

function apiClientFault(_asked: RequestedCertificate, usages: readonly string[]): string | undefined {
  const allowed = ['client auth', 'digital signature', 'key encipherment'];
  const wrong = usages.find((usage) => !allowed.includes(usage));
  if (wrong !== undefined) return `invalid usage for client certificate: ${wrong}`;
  if (!usages.includes('client auth')) return 'missing required usage for client certificate: client auth';
  return undefined;
}

function kubeletClientFault(asked: RequestedCertificate, usages: readonly string[]): string | undefined {
  if (!isNodesOnly(asked)) return 'subject organization is not system:nodes';
  if (asked.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (asked.emails.length > 0) return 'Email subjectAltNames are not allowed';
  if (asked.addresses.length > 0) return 'IP subjectAltNames are not allowed';
  if (asked.uris.length > 0) return 'URI subjectAltNames are not allowed';
  if (!asked.commonName.startsWith(nodePrefix)) return namelessNode;
  return exactUsages(usages, 'client auth');
}

function kubeletServingFault(asked: RequestedCertificate, usages: readonly string[]): string | undefined {
  if (!isNodesOnly(asked)) return 'subject organization is not system:nodes';
  if (asked.dnsNames.length + asked.addresses.length === 0) return 'DNS or IP subjectAltName is required';
  if (asked.emails.length > 0) return 'Email subjectAltNames are not allowed';
  if (asked.uris.length > 0) return 'URI subjectAltNames are not allowed';
  if (!asked.commonName.startsWith(nodePrefix)) return namelessNode;
  return exactUsages(usages, 'server auth');
}

const namelessNode = `subject common name does not begin with ${nodePrefix}`;

function isNodesOnly({ organizations }: RequestedCertificate): boolean {
  return organizations.length === 1 && organizations[0] === nodesGroup;
}

/** `key encipherment` is for RSA keys only, and so may be missing. */
function exactUsages(usages: readonly string[], purpose: string): string | undefined {
  const required = ['digital signature', purpose];
  const allowed = [...required, 'key encipherment'];
  const fits =
    required.every((usage) => usages.includes(usage)) && usages.every((usage) => allowed.includes(usage));
  return fits ? undefined : `usages did not match [${required.join(' ')}]`;
}
