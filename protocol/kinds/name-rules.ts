/**
 * What names, labels, keys and ports must look like. Each rule returns what is wrong, in Kubernetes' words; an
 * empty list means nothing is (source: k8s.io/apimachinery/pkg/util/validation).
 */
export type NameRule = (value: string) => string[];

const labelPattern = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomainPattern = `${labelPattern}(\\.${labelPattern})*`;
const label1035Pattern = '[a-z]([-a-z0-9]*[a-z0-9])?';
const qualifiedPattern = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelValuePattern = `(${qualifiedPattern})?`;
const configKeyPattern = '[-._a-zA-Z0-9]+';
const percentPattern = '[0-9]+%';

/** For kinds whose names are anything that can stand in a path, which the registry sees to. */
export const anyName: NameRule = () => [];

const dnsLabelText = rule({
  lengthMax: 63,
  pattern: labelPattern,
  message:
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  examples: ['my-name', '123-abc'],
});

export const dnsSubdomain = rule({
  lengthMax: 253,
  pattern: subdomainPattern,
  message:
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  examples: ['example.com'],
});

/** What would be a name but for its dots is told that alone. */
export function dnsLabel(value: string): string[] {
  const faults = dnsLabelText(value);
  const isDotted = value.includes('.') && value.length <= 253 && dnsSubdomain(value).length === 0;
  return isDotted ? [...faults.slice(0, -1), 'must not contain dots'] : faults;
}

/** At least two labels; a dot at the end is allowed. */
export function qualifiedDomainName(value: string): string[] {
  const name = value.replace(/\.$/, '');
  const faults = dnsSubdomain(name);
  if (faults.length > 0) return [faults.join(',')];
  if (name.includes('.')) return name.split('.').flatMap(dnsLabel).slice(0, 1);
  return ['should be a domain with at least two segments separated by dots'];
}

export const dns1035Label = rule({
  lengthMax: 63,
  pattern: label1035Pattern,
  message:
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  examples: ['my-name', 'abc-123'],
});

export const labelValue = rule({
  lengthMax: 63,
  pattern: labelValuePattern,
  message:
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  examples: ['MyValue', 'my_value', '12345'],
});

export const percentText = rule({
  lengthMax: 253,
  pattern: percentPattern,
  message: "a valid percent string must be a numeric string followed by an ending '%'",
  examples: ['1%', '93%'],
});

const configKeyText = rule({
  lengthMax: 253,
  pattern: configKeyPattern,
  message: "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  examples: ['key.name', 'KEY_NAME', 'key-name'],
});

const qualifiedText = {
  pattern: qualifiedPattern,
  message:
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  examples: ['MyName', 'my.name', '123-abc'],
};
const qualifiedPart = rule({ lengthMax: 63, ...qualifiedText });

/** `name` or `example.com/name`: keys of labels, annotations, taints, resources. */
export function qualifiedName(value: string): string[] {
  const parts = value.split('/');
  if (parts.length > 2) {
    const name = describe({ ...qualifiedText, message: `a qualified name ${qualifiedText.message}` });
    return [`${name} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const name = parts.at(-1) ?? '';
  const faults = parts.length === 2 ? prefixFaults(parts[0] ?? '') : [];
  if (name === '') faults.push('name part must be non-empty');
  return [...faults, ...qualifiedPart(name).map((fault) => `name part ${fault}`)];
}

function prefixFaults(prefix: string): string[] {
  if (prefix === '') return ['prefix part must be non-empty'];
  return dnsSubdomain(prefix).map((fault) => `prefix part ${fault}`);
}

/** Keys of ConfigMaps and Secrets; they become file names. */
export function configKey(value: string): string[] {
  const faults = configKeyText(value);
  if (value === '.') return [...faults, "must not be '.'"];
  if (value === '..') return [...faults, "must not be '..'"];
  return value.startsWith('..') ? [...faults, "must not start with '..'"] : faults;
}

const pathPattern = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";

/** `example.com/anything`, as names of controllers and signers are. */
export function domainPrefixedPath(value: string): string[] {
  const slash = value.indexOf('/');
  if (slash <= 0 || slash === value.length - 1) {
    return ['must be a domain-prefixed path (such as "acme.io/foo")'];
  }
  const path = value.slice(slash + 1);
  const faults = dnsSubdomain(value.slice(0, slash));
  if (value.length <= 4096 && new RegExp(`^${pathPattern}$`).test(path)) return faults;
  return [...faults, `Invalid path (regex used for validation is '${pathPattern}')`];
}

/** A host name of which the first label may be `*`. */
export function wildcardSubdomain(value: string): string[] {
  const pattern = `\\*\\.${subdomainPattern}`;
  if (value.length <= 253 && new RegExp(`^${pattern}$`).test(value)) return [];
  return [
    `a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '${pattern}')`,
  ];
}

/** Names that are one segment of a path (source: apimachinery, IsValidPathSegmentName). */
export function pathSegment(value: string): string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  return ['/', '%'].filter((text) => value.includes(text)).map((text) => `may not contain '${text}'`);
}

export function environmentName(value: string): string[] {
  if (value === '') return ['environment variable name must be non-empty'];
  if (/^[ -<>-~]+$/.test(value)) return [];
  return ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

export function portNumber(value: number): string[] {
  const valid = Number.isInteger(value) && value >= 1 && value <= 65535;
  return valid ? [] : ['must be between 1 and 65535, inclusive'];
}

/** Names of container ports, which probes and services may use instead of a number. */
export function portName(value: string): string[] {
  const faults: string[] = [];
  if (value.length > 15) faults.push(lengthFault(15));
  if (!/^[-a-z0-9]+$/.test(value)) {
    faults.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  }
  if (!/[a-z]/.test(value)) faults.push('must contain at least one letter (a-z)');
  if (value.includes('--')) faults.push('must not contain consecutive hyphens');
  if (/^-|-$/.test(value)) faults.push('must not begin or end with a hyphen');
  return faults;
}

/** A port by number or by name. */
export function portReference(value: number | string): string[] {
  return typeof value === 'number' ? portNumber(value) : portName(value);
}

export function isIpAddress(value: string): boolean {
  return isIpv4(value) || (/^[0-9a-fA-F:.]{2,45}$/.test(value) && URL.canParse(`http://[${value}]/`));
}

function isIpv4(value: string): boolean {
  const octets = value.split('.');
  return (
    octets.length === 4 && octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) <= 255)
  );
}

interface RuleText {
  pattern: string;
  message: string;
  examples: readonly string[];
}

function rule({ lengthMax, ...text }: RuleText & { lengthMax: number }): NameRule {
  const expression = new RegExp(`^${text.pattern}$`);
  const mismatch = describe(text);
  return (value) => {
    const faults: string[] = [];
    if (value.length > lengthMax) faults.push(lengthFault(lengthMax));
    // A hostile length is refused before the expression sees it.
    if (value.length > 4096 || !expression.test(value)) faults.push(mismatch);
    return faults;
  };
}

function lengthFault(bytesMax: number): string {
  return `must be no more than ${bytesMax} bytes`;
}

/** Kubernetes puts a comma after every example. */
function describe({ message, examples, pattern }: RuleText): string {
  const list = examples.map((example) => `'${example}', `).join(' or ');
  return `${message} (e.g. ${list}regex used for validation is '${pattern}')`;
}
